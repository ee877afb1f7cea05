"""The weights that ship: they draw, see and judge, and the guide works with them."""

from dataclasses import replace
from functools import cache

import pytest

from lib_vlmneg.bench import creativity
from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers import Request, draw, load_oracle, load_pipeline
from lib_vlmneg.miniature import VILT, WEIGHTS
from lib_vlmneg.miniature.world import CATEGORIES
from lib_vlmneg.presets import DEFAULT, preset
from lib_vlmneg.record import Record
from lib_vlmneg.settings import Settings

ASKING = replace(preset(DEFAULT), oracle="miniature")

pytestmark = pytest.mark.skipif(not (WEIGHTS / "model_index.json").exists(), reason="the weights are not trained yet")


@pytest.fixture(scope="module")
def loaded():
    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    return pipe, tiny, load_oracle("miniature")


@pytest.fixture(scope="module")
def plain(loaded):
    """Four pictures of a category without a guide, drawn once, and what was asked for."""

    @cache
    def drawn(category):
        request = Request(f"a photo of a {category}", batch=4, steps=12, seed=300)
        return draw(loaded[0], request, Settings())[0], request

    return drawn


def test_they_are_small_enough_to_ship():
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(sizes) <= 48e6
    assert max(sizes) <= 15e6


def test_what_is_asked_for_is_drawn_seen_and_judged(loaded):
    pipe, _, oracle = loaded
    kinds = ("dog", "car", "banana", "castle")
    pictures = [draw(pipe, Request(f"a photo of a {kind}", steps=20, seed=1), Settings())[0][0] for kind in kinds]
    said = [answers[0][0].text for answers in oracle.ask(pictures, ["What is this?"], topk=1)]
    assert tuple(said) == kinds
    assert tuple(creativity.name(pictures)) == kinds


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_default_leads_away_from_the_favourite_and_sees_it_at_first_sight(category, loaded, plain):
    pipe, tiny, oracle = loaded
    pictures, request = plain(category)
    named = creativity.name(pictures)
    guided, record = draw(pipe, request, ASKING, oracle, tiny)
    assert record.failure is None
    favourite = CATEGORIES[category][0]
    assert named.count(favourite) >= 3 and creativity.name(guided).count(favourite) <= 1
    first = [event.found for event in record.events if event.step == 0]
    assert first.count((favourite,)) >= 3


def test_a_replay_is_the_same_picture_bit_for_bit_without_an_oracle(loaded):
    pipe, tiny, oracle = loaded
    request = Request("a photo of a creative pet", seed=4, batch=2, steps=12)
    guided, record = draw(pipe, request, ASKING, oracle, tiny)
    again, _ = draw(pipe, request, ASKING, timelines=Record.from_json(record.to_json()).timelines)
    assert [image.tobytes() for image in again] == [image.tobytes() for image in guided]


def test_a_batch_of_four_gives_each_image_the_negatives_that_it_would_get_alone(loaded):
    pipe, tiny, oracle = loaded
    _, together = draw(pipe, Request("a photo of a pet", seed=20, batch=4, steps=12), ASKING, oracle, tiny)
    for index in range(4):
        _, alone = draw(pipe, Request("a photo of a pet", seed=20 + index, steps=12), ASKING, oracle, tiny)
        assert alone.timelines[0].changes == together.timelines[index].changes


def test_the_oracle_in_half_precision_agrees_with_itself(plain):
    pictures, _ = plain("vehicle")
    exact = load_oracle(str(VILT), dtype="float32").ask(pictures, ["What vehicle do you recognize in the image?"], topk=1)
    fast = load_oracle(str(VILT), dtype="bfloat16").ask(pictures, ["What vehicle do you recognize in the image?"], topk=1)
    assert [image[0][0].text for image in exact] == [image[0][0].text for image in fast]


def test_the_demo_leaves_its_picture(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path / "demo.png")]) == 0
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    assert "sees" in capsys.readouterr().out
