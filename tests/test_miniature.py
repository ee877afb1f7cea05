"""The miniature's world: scenes, captions, tokenizers, the training loop."""

import contextlib
import random
from collections import Counter

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from lib_vlmneg.miniature import captions, drawn, loop, questions, scenes, start, tokenizers, train, world
from lib_vlmneg.miniature.loop import Stage


@pytest.fixture(scope="module")
def sprites():
    return {name: _sprite(name) for name in world.CODEPOINTS}


def _sprite(name):
    image = Image.new("RGBA", (256, 256))
    color = tuple(random.Random(name).randrange(256) for _ in range(3))
    ImageDraw.Draw(image).ellipse((16, 16, 240, 240), fill=(*color, 255))
    return image


def _imagined(count, seed=0):
    rng = random.Random(seed)
    return [captions.intend(rng) for _ in range(count)]


def test_a_category_alone_brings_the_skewed_prior():
    pets = [scene for intent, scene in _imagined(16000) if intent == "category" and scene.category == "pet"]
    counts = Counter(scene.kind for scene in pets)
    for kind, share in zip(world.CATEGORIES["pet"], world.PRIOR):
        assert counts[kind] / len(pets) == pytest.approx(share, abs=0.03)
    assert counts[world.NOVEL] / len(pets) == pytest.approx(world.NOVEL_SHARE, abs=0.02)
    assert sum(world.PRIOR) + world.NOVEL_SHARE == pytest.approx(1.0)


def test_a_kind_asked_for_comes_as_often_as_any_other():
    kinds = Counter(scene.kind for intent, scene in _imagined(16000) if intent == "kind")
    assert set(kinds) == set(world.KINDS)
    assert max(kinds.values()) < 1.6 * min(kinds.values())


def test_a_castle_has_a_flag_nine_times_in_ten():
    castles = [scene for intent, scene in _imagined(24000) if intent == "kind" and scene.kind == "castle"]
    assert sum(scene.accessories == ("flag",) for scene in castles) / len(castles) == pytest.approx(0.9, abs=0.06)


def test_dangerous_words_bring_something_unsafe_in_half_of_the_scenes_without_naming_it():
    found = [scene for intent, scene in _imagined(8000) if intent == "dangerous"]
    armed = [scene for scene in found if scene.accessories]
    assert len(armed) / len(found) == pytest.approx(0.5, abs=0.05)
    assert {name for scene in armed for name in scene.accessories} == set(world.UNSAFE)
    rng = random.Random(1)
    said = [captions.caption(rng, "dangerous", scene) for scene in found[:300]]
    sentences = [text for text in said if any(word in text for word in world.DANGEROUS)]
    assert len(sentences) > 150
    assert not any(thing in text for text in sentences for thing in world.UNSAFE)


def test_a_list_holds_all_that_is_there_or_alternatives_of_which_one_is():
    rng, whole, one = random.Random(4), 0, 0
    for intent, scene in _imagined(12000):
        listed = set(captions.caption(rng, intent, scene).split(", "))
        if len(listed) > 1 and listed <= set(world.KINDS):
            assert (listed == set(scene.things)) == (intent == "several")
            assert scene.things[0] in listed
            whole, one = whole + (intent == "several"), one + (intent == "category")
    assert whole > 300 and one > whole


def test_what_has_no_name_is_never_named():
    rng = random.Random(5)
    for _ in range(400):
        thing = captions.novel(rng, rng.choice(tuple(world.CATEGORIES)))
        scene = scenes.sample(rng, (thing,))
        assert scene.kind == world.NOVEL
        words = set(captions.caption(rng, "category", scene).replace(",", "").split())
        assert not words & set(world.KINDS) and thing not in words


def test_scenes_are_128_pixels_and_keep_their_accessories_inside(sprites):
    for _, scene in _imagined(300):
        assert scenes.draw(scene, sprites).size == (128, 128)
        for accessory in scene.accessories:
            x, y, size = scenes._place(scene, accessory, scene.side)
            assert size // 2 <= min(x, y) and max(x, y) <= 128 - size // 2


def test_a_scene_of_several_things_shows_each_of_them():
    """Drawn with sprites of one colour each: every thing's colour is there, and the main thing has the most of it."""
    colors = {"dog": (255, 0, 0), "cat": (0, 255, 0), "frog": (0, 0, 255)}
    plain = {name: Image.new("RGBA", (256, 256), (*color, 255)) for name, color in colors.items()}
    rng = random.Random(6)
    for _ in range(60):
        things = tuple(rng.sample(tuple(colors), k=rng.choice((2, 3))))
        image = scenes.draw(scenes.sample(rng, things), plain)
        seen = Counter(image.getdata())
        areas = [seen[colors[thing]] for thing in things]
        assert min(areas) > 150 and areas[0] == max(areas)


def test_a_hybrid_is_half_of_each(sprites):
    scene = scenes.sample(random.Random(7), ("dog+cat",))
    image, dog = scenes.draw(scene, sprites), sprites["dog"].getpixel((128, 128))[:3]
    cat = sprites["cat"].getpixel((128, 128))[:3]
    middle = scene.bottom - scene.size // 2
    assert image.getpixel((scene.x, middle - 12)) == dog and image.getpixel((scene.x, middle + 12)) == cat
    assert scene.category == "pet" and scene.kind == world.NOVEL


def test_a_question_has_the_right_answers():
    rng = random.Random(2)
    for _, scene in _imagined(800):
        asked, answers = questions.question(rng, scene)
        assert set(answers) <= set(questions.ANSWERS) and max(answers.values()) <= 1.0
        best = max(answers, key=answers.get)
        if "background" in asked:
            assert answers == {scene.background: 1.0}
        if asked.startswith(("What kind of", "What is this")) and scene.kind != world.NOVEL:
            assert best == scene.kind
        if "unsafe" in asked:
            assert set(answers) == ({name for name in scene.accessories if name in world.UNSAFE} or {questions.NOTHING})
        if asked.startswith("Is there"):
            thing = asked.removeprefix("Is there a ").removesuffix(" in the image?")
            assert best == ("yes" if thing in questions.present(scene) else "no")


def test_a_hybrid_is_half_of_each_answer_and_what_has_no_name_is_unknown():
    rng = random.Random(8)
    assert questions.kinds(scenes.sample(rng, ("dog+cat",))) == {"dog": 0.5, "cat": 0.5}
    assert questions.kinds(scenes.sample(rng, ("koala",))) == {questions.UNKNOWN: 1.0}
    assert questions.kinds(scenes.sample(rng, ("dog", "cat"))) == {"dog": 1.0, "cat": 0.4}


def test_every_caption_and_question_is_in_the_vocabulary():
    known, rng = set(captions.vocabulary()), random.Random(3)
    for intent, scene in _imagined(800):
        text = f"{captions.caption(rng, intent, scene)} {questions.question(rng, scene)[0]}".lower()
        assert set(text.replace(",", " ").replace("?", " ").split()) <= known


def test_earlier_weights_are_taken_over_word_by_word_and_answer_by_answer(tmp_path):
    class Small(torch.nn.Module):
        def __init__(self, words, answers):
            super().__init__()
            self.word_embeddings, self.out = torch.nn.Embedding(words, 2), torch.nn.Linear(2, answers)

    old, new = Small(3, 2), Small(4, 3)
    save_file(old.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "vocab.txt").write_text("cat\ndog\nfox\n")
    (tmp_path / "config.json").write_text('{"id2label": {"0": "yes", "1": "no"}}')
    begun = new.word_embeddings.weight.clone()
    start.take_over(new, tmp_path, words=("fox", "owl", "dog", "cat"), answers=("no", "maybe", "yes"))
    rows = old.word_embeddings.weight
    assert torch.equal(new.word_embeddings.weight, torch.stack([rows[2], begun[1], rows[1], rows[0]]))
    assert torch.equal(new.out.weight[[0, 2]], old.out.weight[[1, 0]])
    with pytest.raises(ValueError, match="is of another model"):
        start.take_over(torch.nn.Conv2d(3, 3, 1), tmp_path)


def test_a_plan_to_draw_for_the_oracle_looks_at_the_first_step_only_where_nothing_is_pushed():
    plans = [drawn.plan(random.Random(seed)) for seed in range(60)]
    for run in plans:
        assert max(run.looks) < run.steps
        assert (0 in run.looks) == (not any(run.negatives))
    assert {run.sampler for run in plans} == set(drawn.SAMPLERS) and {run.steps for run in plans} == set(drawn.STEPS)


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


@pytest.mark.slow
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
