"""The weights that ship: they draw, see and judge, and the guide works with them."""

import pytest

from lib_vlmneg.bench import creativity
from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers import Request, draw, load_oracle, load_pipeline
from lib_vlmneg.miniature import VILT, WEIGHTS
from lib_vlmneg.record import Record
from lib_vlmneg.settings import Settings

ASKING = Settings(enabled=True, questions=("auto",), steps=(), every=7, stop=0.6, clear_at_stop=True)

pytestmark = pytest.mark.skipif(not (WEIGHTS / "model_index.json").exists(), reason="the weights are not trained yet")


@pytest.fixture(scope="module")
def loaded():
    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    return pipe, tiny, load_oracle("miniature")


def test_they_are_small_enough_to_ship():
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(sizes) <= 32e6
    assert max(sizes) <= 15e6


def test_what_is_asked_for_is_drawn_seen_and_judged(loaded):
    pipe, _, oracle = loaded
    kinds = ("dog", "car", "banana", "castle")
    pictures = [draw(pipe, Request(f"a photo of a {kind}", steps=20, seed=1), Settings())[0][0] for kind in kinds]
    said = [answers[0][0].text for answers in oracle.ask(pictures, ["What is this?"], topk=1)]
    assert tuple(said) == kinds
    assert tuple(creativity.name(pictures)) == kinds


def test_the_guide_leads_away_from_the_favourite(loaded):
    pipe, tiny, oracle = loaded
    request = Request("a photo of a pet", batch=8)
    plain, _ = draw(pipe, request, Settings())
    guided, record = draw(pipe, request, ASKING, oracle, tiny)
    assert record.failure is None
    assert creativity.name(plain).count("dog") > 2 * creativity.name(guided).count("dog")


def test_a_replay_is_the_same_picture_bit_for_bit_without_an_oracle(loaded):
    pipe, tiny, oracle = loaded
    request = Request("a photo of a creative pet", seed=4, batch=2)
    guided, record = draw(pipe, request, ASKING, oracle, tiny)
    again, _ = draw(pipe, request, ASKING, timelines=Record.from_json(record.to_json()).timelines)
    assert [image.tobytes() for image in again] == [image.tobytes() for image in guided]


def test_a_batch_of_four_gives_each_image_the_negatives_that_it_would_get_alone(loaded):
    pipe, tiny, oracle = loaded
    _, together = draw(pipe, Request("a photo of a pet", seed=20, batch=4), ASKING, oracle, tiny)
    for index in range(4):
        _, alone = draw(pipe, Request("a photo of a pet", seed=20 + index), ASKING, oracle, tiny)
        assert alone.timelines[0].changes == together.timelines[index].changes


def test_the_oracle_in_half_precision_agrees_with_itself(loaded):
    pipe, _, _ = loaded
    pictures = draw(pipe, Request("a photo of a vehicle", batch=4, steps=12), Settings())[0]
    exact = load_oracle(str(VILT), dtype="float32").ask(pictures, ["What vehicle do you recognize in the image?"], topk=1)
    fast = load_oracle(str(VILT), dtype="bfloat16").ask(pictures, ["What vehicle do you recognize in the image?"], topk=1)
    assert [image[0][0].text for image in exact] == [image[0][0].text for image in fast]


def test_the_demo_leaves_its_picture(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path / "demo.png")]) == 0
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    assert "sees" in capsys.readouterr().out
