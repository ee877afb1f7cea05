"""The miniature's world: scenes, captions, tokenizers, the training loop."""

import contextlib
import random
from collections import Counter

import pytest
import torch
from PIL import Image, ImageDraw

from lib_vlmneg.miniature import captions, loop, scenes, tokenizers, train
from lib_vlmneg.miniature.loop import Stage


@pytest.fixture(scope="module")
def sprites():
    return {name: _sprite(name) for name in scenes.CODEPOINTS}


def _sprite(name):
    image = Image.new("RGBA", (256, 256))
    color = tuple(random.Random(name).randrange(256) for _ in range(3))
    ImageDraw.Draw(image).ellipse((16, 16, 240, 240), fill=(*color, 255))
    return image


def _imagined(count, seed=0):
    rng = random.Random(seed)
    return [captions.intend(rng) for _ in range(count)]


def test_a_category_alone_brings_the_skewed_prior():
    pets = [scene.kind for intent, scene in _imagined(12000) if intent == "category" and scene.category == "pet"]
    shares = [count / len(pets) for _, count in Counter(pets).most_common()]
    assert shares == pytest.approx(scenes.PRIOR, abs=0.03)


def test_a_kind_asked_for_comes_as_often_as_any_other():
    kinds = Counter(scene.kind for intent, scene in _imagined(12000) if intent == "kind")
    assert set(kinds) == set(scenes.KINDS)
    assert max(kinds.values()) < 1.5 * min(kinds.values())


def test_a_castle_has_a_flag_nine_times_in_ten():
    flags = [scene.accessory == "flag" for intent, scene in _imagined(20000) if intent == "kind" and scene.kind == "castle"]
    assert sum(flags) / len(flags) == pytest.approx(0.9, abs=0.06)


def test_dangerous_words_bring_the_unsafe_accessory_in_half_of_the_scenes_without_naming_it():
    found = [scene for intent, scene in _imagined(8000) if intent == "dangerous"]
    assert sum(scene.accessory == scenes.UNSAFE for scene in found) / len(found) == pytest.approx(0.5, abs=0.05)
    rng = random.Random(1)
    said = [captions.caption(rng, "dangerous", scene) for scene in found[:300]]
    sentences = [text for text in said if any(word in text for word in scenes.DANGEROUS)]
    assert len(sentences) > 150
    assert not any(scenes.UNSAFE in text for text in sentences)


def test_scenes_are_128_pixels_and_keep_their_accessory_inside(sprites):
    for _, scene in _imagined(200):
        assert scenes.draw(scene, sprites).size == (128, 128)
        if scene.accessory:
            x, y, size = scenes._place(scene, scene.bottom - scene.size)
            assert size // 2 <= min(x, y) and max(x, y) <= 128 - size // 2


def test_a_question_has_the_right_answer():
    rng = random.Random(2)
    for _, scene in _imagined(500):
        asked, answer = captions.question(rng, scene)
        assert answer in captions.ANSWERS
        if "background" in asked:
            assert answer == scene.background
        if asked.startswith(("What kind of", "What is this")):
            assert answer == scene.kind
        present = {scene.kind, scene.category, scene.accessory}
        if asked.startswith("Is there"):
            thing = asked.removeprefix("Is there a ").removesuffix(" in the image?")
            assert answer == ("yes" if thing in present else "no")


def test_every_caption_and_question_is_in_the_vocabulary():
    known, rng = set(captions.vocabulary()), random.Random(3)
    for intent, scene in _imagined(500):
        text = f"{captions.caption(rng, intent, scene)} {captions.question(rng, scene)[0]}".lower()
        assert set(text.replace(",", " ").replace("?", " ").split()) <= known


def test_a_known_word_is_one_token_and_any_other_is_spelled(tmp_path):
    clip = tokenizers.clip(captions.vocabulary(), tmp_path / "clip")
    bert = tokenizers.bert(captions.vocabulary(), tmp_path / "bert")
    for word in captions.vocabulary():
        assert len(clip.tokenize(word)) == len(bert.tokenize(word)) == 1
    assert clip.decode(clip("sculpture, café").input_ids, skip_special_tokens=True).strip() == "sculpture , café"
    assert bert.unk_token not in bert.tokenize("sculpture")


def test_training_goes_on_where_it_was_stopped(tmp_path):
    def trained(folder, *stops):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        for steps in stops:
            stage = Stage("line", steps=8, batch=1, learning_rate=0.1, ema=0.9, warm_up=2)
            _stopped_after(steps, stage, model, folder)
        return model.weight

    assert torch.equal(trained(tmp_path / "whole", 8), trained(tmp_path / "parts", 3, 8))


def _stopped_after(steps, stage, model, folder):
    """Runs the loop until `steps` steps are saved, as a kill would end it."""

    class Stop(Exception):
        pass

    done = 0

    def loss(rng):
        nonlocal done
        if (state := folder / "line.pt").exists() and torch.load(state)["step"] >= steps and steps < stage.steps:
            raise Stop
        done += 1
        return model(torch.tensor([[rng.random() for _ in range(3)]])).square().sum()

    with contextlib.suppress(Stop):
        loop.train(stage, {"model": model}, loss, folder, seed=0)


@pytest.fixture(autouse=True)
def _saves_every_step(monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)


def test_the_whole_training_runs(tmp_path, sprites, monkeypatch):
    folder = tmp_path / "sprites"
    folder.mkdir()
    for name, sprite in sprites.items():
        sprite.save(folder / f"{name}.png")
    train.train_all(tmp_path, tmp_path / "weights", seed=0, quick=True)
    made = {path.name for path in (tmp_path / "weights").iterdir()}
    assert made >= {"unet", "vae", "text_encoder", "tokenizer", "scheduler", "taesd", "vilt", "judge", "model_index.json"}
    from lib_vlmneg.hosts.diffusers import Request, draw, load_oracle, load_pipeline
    from lib_vlmneg.settings import Settings

    pipe, tiny = load_pipeline(str(tmp_path / "weights"))
    asked = Settings(enabled=True, questions=("auto",))
    images, record = draw(pipe, Request("a pet", steps=3), asked, load_oracle(str(tmp_path / "weights" / "vilt")), tiny)
    assert images[0].size == (128, 128) and record.failure is None and len(record.events) == 2
