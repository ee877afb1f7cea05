import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.errors import InputError
from lib_vlmneg.negatives import Ledger
from lib_vlmneg.presets import from_infotext, from_record
from lib_vlmneg.record import Event, Record, Timeline, Timing, join_passes, split_passes
from lib_vlmneg.settings import MODES, Settings

TERMS = st.sampled_from(["dog", "cat", "big cat", "t-shirt", "men's hat", "café", "owl", "3d"])
TIMELINES = st.dictionaries(st.integers(0, 30), st.lists(TERMS, unique=True, max_size=4).map(tuple), max_size=6).map(Timeline)
STEPS = range(32)


def course(timeline):
    """The terms in force at each step."""
    return [timeline.at(step) for step in STEPS]


@given(TIMELINES)
def test_a_timeline_acts_from_its_last_change_on(timeline):
    now = ()
    for step in STEPS:
        now = timeline.changes.get(step, now)
        assert timeline.at(step) == now


def test_a_timeline_is_short_in_an_infotext():
    timeline = Timeline({1: ("dog",), 4: ("big cat",), 6: ("big cat", "owl"), 9: ()})
    assert timeline.compact() == "1:+dog|4:+big cat,-dog|6:+owl|9:-big cat,-owl"
    assert Timeline().compact() == ""


@given(TIMELINES)
def test_a_timeline_comes_back_from_its_compact_form(timeline):
    assert course(Timeline.parse(timeline.compact())) == course(timeline)


@pytest.mark.parametrize("mode", MODES)
@given(asks=st.lists(st.lists(TERMS, max_size=3), max_size=8))
def test_a_ledgers_timeline_comes_back_from_its_compact_form(mode, asks):
    ledger, timeline = Ledger("", Settings(mode=mode)), Timeline()
    for step, found in enumerate(asks):
        ledger.hear(found)
        timeline.changes[step + 1] = ledger.terms
    assert course(Timeline.parse(timeline.compact())) == course(timeline)


@pytest.mark.parametrize("compact", ["x", "1", "1:", "1:dog", "1:+", "-1:+dog", "1:+dog,", "1:+dog,,+cat", "a:+dog"])
def test_a_damaged_timeline_is_bad_input(compact):
    with pytest.raises(InputError, match=r"^timeline: "):
        Timeline.parse(compact)


def event(**changes):
    values = {
        "step": 3,
        "image": 1,
        "sigma": 4.5,
        "questions": ("What pet?", "What color?"),
        "answers": ((("dog", 0.75), ("cat", 0.125)), (("red", None),)),
        "added": ("dog", "red"),
        "dropped": ("owl",),
        "refused": ("a long one",),
        "negative": "ugly, dog, red",
    }
    return Event(**{**values, **changes})


def record():
    return Record(
        settings=Settings(enabled=True, steps=[1, 4], stop=0.5).to_dict(),
        prompts=("a pet", "a “pet”"),
        negatives=("ugly", ""),
        timelines=[Timeline({1: ("dog",), 5: ()}), Timeline({4: ("dog", "red")})],
        generation={"seed": 7, "steps": 28, "guidance_scale": 4.5, "model": "miniature", "height": None},
        oracle="scripted",
        events=[event(), event(step=4, sigma=None, answers=((), ()), added=(), dropped=(), refused=())],
        timings=[Timing(3, decode=0.25, ask=0.5, encode=0.125), Timing(4)],
        failure="step 5: RuntimeError: gone",
    )


def test_a_record_comes_back_from_json():
    back = Record.from_json(record().to_json())
    timelines, others = back.timelines, vars(back) | {"timelines": None}
    assert others == vars(record()) | {"timelines": None}
    assert [course(timeline) for timeline in timelines] == [course(timeline) for timeline in record().timelines]
    assert back.to_json() == record().to_json()


def test_the_settings_of_a_record_are_settings():
    back = Record.from_json(record().to_json())
    assert Settings.from_dict(back.settings) == Settings(enabled=True, steps=(1, 4), stop=0.5)


@pytest.mark.parametrize("old", [{"enabled": True}, {"enabled": True, "steps": [], "every": 3}])
def test_a_record_of_a_time_without_default_steps_says_so_in_the_picture(old):
    found = Record.from_json(json.dumps({**json.loads(record().to_json()), "settings": old}))
    written = found.infotext(0)
    del written["VLM Negative timeline"]
    assert written["VLM Negative steps"] == "[]" and from_infotext(written) == Settings(**{"steps": (), **old})


def test_shares_come_back_from_a_record():
    found = record()
    found.settings = Settings(enabled=True, steps="0, 1/3 0.5").to_dict()
    back = Record.from_json(found.to_json()).settings
    assert back["steps"] == [0, "1/3", 0.5] and from_record(back) == Settings(enabled=True, steps="0, 1/3 0.5")


def test_a_record_names_its_schema_and_version():
    body = json.loads(record().to_json())
    assert (body["schema"], body["version"]) == ("vlm-negative-record", 2)


def refusal(text):
    with pytest.raises(InputError) as caught:
        Record.from_json(text, "replay x.json")
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize("version", [0, 3, None, "1"])
def test_a_record_of_another_version_is_refused(version):
    said = refusal(json.dumps({**json.loads(record().to_json()), "version": version}))
    assert said.startswith("replay x.json: ") and str(version) in said


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", '"text"', "{}", '{"schema": "another"}', '{"version": 1}', "\x89PNG"]
)
def test_what_is_no_record_is_refused(text):
    assert refusal(text).startswith("replay x.json: this is no record")


NAMES = ("settings", "prompts", "negatives", "timelines", "generation", "oracle", "events", "timings", "failure")


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_lacks_something_is_refused(name):
    body = json.loads(record().to_json())
    del body[name]
    assert name in refusal(json.dumps(body))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("oracle", "failure")])
@pytest.mark.parametrize("damage", [None, 5, "text", [5], [None], [{"step": 1, "bogus": 2}]])
def test_a_damaged_record_is_refused_and_nothing_else_is_raised(name, damage):
    refusal(json.dumps({**json.loads(record().to_json()), name: damage}))


def test_a_record_whose_lists_do_not_fit_each_other_is_refused():
    body = json.loads(record().to_json())
    refusal(json.dumps({**body, "timelines": body["timelines"][:1]}))


def test_the_seconds_of_a_step_are_added_up():
    found = record()
    found.timings.clear()
    for step, seconds in ((0, 1.0), (0, 2.0), (2, 4.0)):
        found.timing(step).ask += seconds
    assert [(timing.step, timing.ask) for timing in found.timings] == [(0, 3.0), (2, 4.0)]


def test_all_terms_ever_in_force_are_told_once_in_their_order():
    found = record()
    found.timelines[0] = Timeline({9: ("owl", "dog"), 1: ("dog",), 4: ()})
    assert found.terms(0) == ("dog", "owl")
    assert found.terms(1) == ("dog", "red")


@pytest.mark.parametrize(
    ("text", "passes"),
    [("none", [""]), ("1:+dog", ["1:+dog"]), ("1:+dog / 2:+hat,-dog", ["1:+dog", "2:+hat"]), (" / 3:+cat", ["", "3:+cat"])],
)
def test_the_passes_of_a_picture_come_back_from_one_text(text, passes):
    found = split_passes(text)
    assert [timeline.compact() for timeline in found] == passes
    assert split_passes(join_passes(found))[-1].changes == found[-1].changes
    assert join_passes([*found, Timeline()]) == join_passes(found)
