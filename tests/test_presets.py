"""What is given over what stands: the one rule of the rhythm, by request, page, flags, picture and record."""

import pytest

from lib_vlmneg.errors import InputError
from lib_vlmneg.presets import DEFAULT, PAPER, PRESETS, chosen, from_page, from_record, from_request, preset
from lib_vlmneg.schedule import Schedule
from lib_vlmneg.settings import Settings

THIRD = Settings().steps
TEN = (5, 6, 7, 9, 12, 16, 21, 27, 34, 42)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, (0, 3)),
        ({"topk": 2}, (0, 3)),
        ({"every": 1}, (0, 1, 2, 3, 4, 5, 6)),  # given, though it is the default
        ({"every": 3}, (0, 3, 6)),
        ({"start": 2}, (2, 3, 4, 5, 6)),
        ({"stop": 0.5}, (0, 1, 2, 3)),
        ({"stop": 1}, (0, 1, 2, 3, 4, 5, 6)),  # JSON.stringify(1.0) is 1
        ({"stop": "1"}, (0, 1, 2, 3, 4, 5, 6)),
        ({"stop": 1.0}, (0, 1, 2, 3, 4, 5, 6)),
        ({"stop": "step 1"}, (0,)),
        ({"stop": 2}, (0, 1)),
        ({"start": 1}, (1, 2, 3, 4, 5, 6)),
        ({"steps": [1, "1/2"], "every": 3, "start": 5}, (1, 4)),
        ({"steps": []}, (0, 1, 2, 3, 4, 5, 6)),
        ({"steps": [], "every": 3}, (0, 3, 6)),
        ({"preset": "Paper"}, (0, 1, 2, 3, 4, 5, 6)),
        ({"preset": "paper", "steps": [2]}, (2,)),
        ({"preset": "Paper", "every": 4}, (0, 4)),
        ({"preset": "Creative"}, (0,)),  # every 4th of 8 to 60 %, and the terms dropped then
        ({"preset": "Creative", "every": 2}, (0, 2)),
        ({"preset": "Creative", "steps": "0, 1/3"}, (0, 3)),
        ({"preset": "Safety", "every": 3}, (0, 3, 6)),
        ({"preset": "Safety", "steps": [5]}, (5,)),  # not of the 50 that the preset's own are of
        ({"preset": "Safety", "steps_of": 100}, (1, 2, 3, 4)),
    ],
)
def test_when_a_request_asks_in_a_run_of_eight(given, asked):
    assert Schedule.of(from_request(given), 8).wanted == asked


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("write", [str, str.upper, str.lower, " {} ".format])
def test_a_preset_is_found_however_it_is_written(name, write):
    assert from_request({"preset": write(name), "enabled": True}) == preset(write(name)) == preset(name)


@pytest.mark.parametrize("name", ["Plastic", "", 5, None, "Custom"])
def test_an_unknown_preset_is_one_line_that_lists_them(name):
    with pytest.raises(InputError) as caught:
        from_request({"preset": name})
    assert str(caught.value) == f"preset: {name!r} is not one of {'; '.join(PRESETS)}"


def test_a_preset_does_not_enable_and_given_values_win_over_it():
    assert from_request({"preset": "Safety"}).enabled is False
    found = from_request({"preset": "Safety", "mode": "window", "push_scale": 3})
    assert (found.mode, found.push_scale, found.push, found.steps) == ("window", 3.0, "separate", TEN)


def test_the_default_preset_is_the_default():
    assert preset(DEFAULT) == Settings(enabled=True) and preset(DEFAULT).steps == THIRD


def test_paper_accumulates_one_answer_of_each_question_in_the_negative_prompt():
    paper = preset(PAPER)
    assert (paper.steps, paper.start, paper.stop, paper.every) == ((), 0, 1.0, 1)
    assert (paper.mode, paper.topk, paper.push, paper.clear_at_stop, paper.lag) == ("accumulate", 1, "cfg", False, 0)


def test_what_a_request_leaves_out_is_the_bases():
    base = Settings(enabled=True, oracle="miniature", steps=(), stop=0.5, topk=3)
    assert chosen({}, base) == base
    assert chosen({"every": 2}, base) == Settings(enabled=True, oracle="miniature", steps=(), stop=0.5, topk=3, every=2)
    assert chosen({"steps": "1/2"}, base).steps == (0.5,)


def test_a_flag_keeps_step_one_apart_from_the_end():
    assert repr(chosen({"stop": "1"}).stop) == "1" and repr(chosen({"stop": "1.0"}).stop) == "1.0"


def test_an_unknown_key_is_refused():
    with pytest.raises(InputError, match=r"^'presets': there is no such setting"):
        from_request({"presets": "Paper"})


def test_a_page_names_its_values_or_gives_all_in_order():
    assert from_page(["1", "", True], ["stop", "steps", "enabled"]) == Settings(enabled=True, steps=(), stop=1.0)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({"enabled": True}, Settings(enabled=True, steps=())),
        ({"steps": [], "every": 3}, Settings(steps=(), every=3)),
        ({"steps": [0, "1/3"]}, Settings()),
        ({"steps": [], "stop": 1}, Settings(steps=(), stop=1)),
    ],
)
def test_a_record_means_what_it_meant(said, means):
    found = from_record(said)
    assert found == means and repr(found.stop) == repr(means.stop)
