import json
import math
import re
from dataclasses import FrozenInstanceError, fields, replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lib_vlmneg.errors import InputError
from lib_vlmneg.presets import STEP_ONE, from_infotext, from_page, from_request
from lib_vlmneg.readers import whole_steps
from lib_vlmneg.schema import schema
from lib_vlmneg.settings import INSIDE, PUSHES, Settings

FIELDS = {definition.name: definition for definition in fields(Settings)}
KINDS = {name: definition.metadata["kind"] for name, definition in FIELDS.items()}
POSITIONS = st.integers(0, 1000) | st.floats(0, 1)
SHARES = st.floats(0, 1) | st.fractions(0, 1).filter(lambda share: share.denominator > 1)
QUESTIONS = st.text(max_size=12).map(str.strip).filter(bool)


def allowed(definition):
    meta = definition.metadata
    limits = meta.get("minimum"), meta.get("maximum")
    return {
        "bool": lambda: st.booleans(),
        "int": lambda: st.integers(*limits),
        "float": lambda: st.floats(*limits),
        "auto_number": lambda: st.just("auto") | st.floats(*limits),
        "text": lambda: st.text(max_size=12),
        "choice": lambda: st.sampled_from(meta["choices"]),
        "texts": lambda: st.lists(QUESTIONS, min_size=1, max_size=3),
        "steps": lambda: st.builds(
            lambda steps, shares: sorted(steps) + sorted(shares),
            st.lists(st.integers(0, 1000), max_size=3),
            st.lists(SHARES, max_size=3),
        ),
        "position": lambda: POSITIONS,
    }[meta["kind"]]()


@st.composite
def values(draw):
    """Some of the settings, each allowed, start before stop."""
    chosen = draw(st.fixed_dictionaries({}, optional={name: allowed(definition) for name, definition in FIELDS.items()}))
    start, stop = chosen.get("start", 0), chosen.get("stop", 1.0)
    if type(start) is type(stop) and start >= stop:
        chosen.pop("start", None), chosen.pop("stop", None)
    if chosen.get("push_start", 0.0) >= chosen.get("push_end", 1.0):
        chosen.pop("push_start", None), chosen.pop("push_end", None)
    if 0 < chosen.get("steps_of", 0) <= max(whole_steps(chosen.get("steps", ())), default=0):
        chosen.pop("steps_of")
    if chosen.get("check") != "nudenet" or chosen.get("push") != "separate":
        chosen.pop("redraws", None)
    if not chosen.get("vocabulary"):
        chosen.pop("only", None)
    return chosen


def exactly(settings):
    """The values with their types: 1 == 1.0, but step 1 is not the end of the run."""
    return [(name, type(value), value) for name, value in vars(settings).items()]


def message(**given_values):
    with pytest.raises(InputError) as caught:
        Settings.from_dict(given_values)
    return str(caught.value)


@given(values())
def test_settings_come_back_from_json(chosen):
    settings = Settings.from_dict(chosen)
    assert exactly(Settings.from_dict(json.loads(json.dumps(settings.to_dict())))) == exactly(settings)


@given(values())
def test_given_values_are_kept_and_the_others_are_the_defaults(chosen):
    kept = Settings.from_dict(chosen).to_dict()
    for name, definition in FIELDS.items():
        expected = chosen.get(name, definition.default)
        if KINDS[name] in ("text", "texts", "steps"):
            continue
        assert kept[name] == expected and type(kept[name]) is type(expected)


@given(values())
def test_settings_come_back_from_an_infotext(chosen):
    settings = Settings.from_dict({**chosen, "enabled": True})
    infotext = settings.to_infotext()
    assert all(isinstance(text, str) for text in infotext.values())
    assert exactly(from_infotext(infotext)) == exactly(settings)


@pytest.mark.parametrize("stop", [1, 1.0, 0.5, 7])
def test_step_one_and_the_end_of_the_run_differ_in_an_infotext(stop):
    back = from_infotext(Settings(enabled=True, stop=stop).to_infotext()).stop
    assert (type(back), back) == (type(stop), stop)


@pytest.mark.parametrize(
    ("steps", "written"),
    [
        ((0, Fraction(1, 3)), "0, 1/3"),
        ((), "[]"),
        ((5,), "5"),
        ((0.5,), "0.5"),
        ((1.0,), "1.0"),
        ((Fraction(2, 3), 7, 0.75), "2/3, 7, 0.75"),
    ],
)
def test_an_infotext_always_has_the_steps_as_a_user_types_them(steps, written):
    settings = Settings(enabled=True, steps=steps)
    assert settings.to_infotext()["VLM Negative steps"] == written
    assert exactly(from_infotext(settings.to_infotext())) == exactly(settings)


# modules/infotext_utils.py of AUTOMATIC1111 1.10.1
WEBUI_ENTRY = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def through_the_webui(infotext):
    """Written into a picture by AUTOMATIC1111 and read back by it."""
    quoted = {key: json.dumps(text) if set(text) & set(",\n:") else text for key, text in infotext.items()}
    entries = WEBUI_ENTRY.findall(", ".join(f"{key}: {text}" for key, text in quoted.items()))
    return {key: json.loads(text) if text[0] == text[-1] == '"' else text for key, text in entries}


@pytest.mark.parametrize("steps", ["", "0, 1/3", "5", "1/3", "0.25 3", "0, 1, 2"])
def test_the_rhythm_survives_the_webuis_own_parser(steps):
    settings = Settings(enabled=True, steps=steps, start=2, stop=0.5, every=3)
    assert from_infotext(through_the_webui(settings.to_infotext())) == settings


@pytest.mark.parametrize("rhythm", [{}, {"every": "3"}, {"start": "2", "stop": "1.0"}, {"stop": "1"}, {"steps": "[5, 9]"}])
def test_an_infotext_of_a_time_without_default_steps_means_what_it_meant(rhythm):
    old = {"VLM Negative enabled": "True"} | {f"VLM Negative {name}": text for name, text in rhythm.items()}
    assert exactly(from_infotext(old)) == exactly(Settings(**{"enabled": True, "steps": ()} | rhythm))


@given(values())
def test_off_leaves_no_infotext(chosen):
    assert Settings.from_dict({**chosen, "enabled": False}).to_infotext() == {}


def test_an_infotext_without_ours_is_off():
    assert from_infotext({"Steps": "20", "VLM Negative timeline": "1:+dog"}) == Settings()


@given(values())
def test_settings_come_back_from_a_ui(chosen):
    settings = Settings.from_dict(chosen)
    told = settings.to_dict() | ({"stop": STEP_ONE} if repr(settings.stop) == "1" else {})
    assert exactly(from_page(list(told.values()))) == exactly(settings)


def test_a_ui_gives_texts_and_round_floats():
    typed = {"questions": "What pet?\n\nWhat color?\n", "steps": "3, 3 7", "start": "2", "stop": "0.5", "topk": 3.0}
    settings = from_page([typed.get(name, definition.default) for name, definition in FIELDS.items()])
    assert settings.questions == ("What pet?", "What color?")
    assert settings.steps == (3, 7)
    assert (settings.start, settings.stop, settings.topk) == (2, 0.5, 3)
    assert [type(value) for value in (settings.start, settings.stop, settings.topk)] == [int, float, int]


@given(values())
def test_the_schema_allows_what_settings_write(chosen):
    Draft202012Validator(schema()).validate(json.loads(json.dumps(Settings.from_dict(chosen).to_dict())))


def json_value(kind):
    """Anything JSON has, but no text for what is no text (a UI may type those, an API may not) and no 5.0 (JSON's 5)."""
    numbers = st.integers() | st.integers(-1, 20) | st.floats(-1, 25).filter(lambda number: number <= 1 or number % 1)
    plain = st.none() | st.booleans() | numbers
    if kind in ("text", "texts"):
        plain |= st.text(max_size=3)
    if kind == "auto_number":
        plain |= st.just("auto")
    if kind == "choice":
        plain |= st.sampled_from(["auto", "window", "tiny", "sometimes"])
    inner = st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=2), plain, max_size=1)
    return inner if kind == "texts" else plain | inner


@pytest.mark.parametrize("name", FIELDS)
def test_the_schema_allows_exactly_what_settings_accept(name):
    validator = Draft202012Validator(schema())

    @given(json_value(KINDS[name]))
    def compare(value):
        other_end = {"start": {"stop": 10**60 if isinstance(value, int) else 1}, "stop": {"start": 0.0 if value == 0 else 0}}
        try:
            Settings.from_dict({name: value, **other_end.get(name, {})})
            accepted = True
        except InputError as error:
            accepted = "is not before" in str(error)
        assert validator.is_valid({name: value}) == accepted

    compare()


def test_the_schema_names_defaults_that_settings_accept():
    properties = schema()["properties"]
    assert from_request({name: properties[name]["default"] for name in FIELDS}) == Settings()
    assert properties["steps"]["default"] == [0, "1/3"]


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"steps": [0, "1/3", 0.5]}, True),
        ({"steps": []}, True),
        ({"steps": ["1/0"]}, False),
        ({"steps": ["a third"]}, False),
        ({"stop": "step 1"}, True),
        ({"stop": "step 2"}, False),
        ({"preset": "Paper"}, True),
        ({"preset": "Plastic"}, False),
    ],
)
def test_schema_and_request_agree_on_rhythm_and_presets(values, fits):
    assert Draft202012Validator(schema()).is_valid(values) == fits
    try:
        from_request(values)
        taken = True
    except InputError:
        taken = False
    assert taken == fits


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_neither_settings_nor_schema_allow_a_blank_question(blank):
    assert "question 2 is empty" in message(questions=["What?", blank])
    assert not Draft202012Validator(schema()).is_valid({"questions": ["What?", blank]})


@given(st.text().filter(lambda name: name not in FIELDS))
def test_an_unknown_setting_is_refused_in_one_line(name):
    said = message(**{name: 1})
    assert "there is no such setting" in said and "every" in said
    assert len(said.splitlines()) == 1
    assert not Draft202012Validator(schema()).is_valid({name: 1})


BAD = [
    ("enabled", "maybe"),
    ("enabled", 1),
    ("topk", 0),
    ("topk", 21),
    ("topk", 2.5),
    ("topk", "many"),
    ("topk", True),
    ("topk", None),
    ("topk", math.nan),
    ("min_score", 1.1),
    ("push_scale", -1),
    ("push_scale", "strong"),
    ("push_scale", math.nan),
    ("oracle_size", -1),
    ("redraws", 11),
    ("check", "mine"),
    ("vocabulary", 5),
    ("weight", -0.1),
    ("weight", math.inf),
    ("start", -1),
    ("start", "-3"),
    ("start", 1.5),
    ("start", "2.5"),
    ("stop", "soon"),
    ("stop", "1e1"),
    ("steps", [-1]),
    ("steps", "x"),
    ("steps", [1.5]),
    ("steps", 3),
    ("steps", [0, "4/3"]),
    ("steps", ["-1/3"]),
    ("steps", ["1/0"]),
    ("steps", ["1/x"]),
    ("steps", "1.5"),
    ("mode", "sometimes"),
    ("decode", 5),
    ("oracle", 5),
    ("questions", [7]),
    ("questions", '["not json'),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_message_names_the_field_and_the_value_in_one_line(name, value):
    said = message(**{name: value})
    culprit = value[-1] if isinstance(value, list) else value
    assert said.startswith(f"{name}: ") and str(culprit) in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ["start", "stop", "topk", "weight", "steps"])
def test_a_message_about_a_text_with_line_breaks_is_one_line(name):
    said = message(**{name: "\n-3\n"})
    assert said.startswith(f"{name}: ") and len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ["start", "topk", "weight", "steps"])
def test_a_number_too_large_for_a_float_is_bad_input(name):
    assert message(**{name: [10**400] if name == "steps" else 10**400}).startswith(f"{name}: ")


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (6, 5), (0.5, 0.5), (1.0, 0.2)])
def test_a_start_after_the_stop_is_refused(start, stop):
    said = message(start=start, stop=stop)
    assert said.startswith("start: ") and str(start) in said and str(stop) in said


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ("0, 1/3", (0, Fraction(1, 3))),
        ([0, "1/3"], (0, Fraction(1, 3))),
        ([0, 0.333], (0, 0.333)),
        ("0.5", (0.5,)),
        ("1/3", (Fraction(1, 3),)),
        (" 1 / 3\n", (Fraction(1, 3),)),
        ('[0, "1/3"]', (0, Fraction(1, 3))),
        ((2, 2, 5), (2, 5)),
        ("5 1/4 6", (5, Fraction(1, 4), 6)),  # in order when the length of the run is known
        ("0/3 3/3", (0.0, 1.0)),
        ([1, 1.0], (1, 1.0)),
        ("", ()),
        ([], ()),
    ],
)
def test_steps_are_steps_and_shares_of_the_run(given, held):
    steps = Settings(steps=given).steps
    assert [(type(step), step) for step in steps] == [(type(step), step) for step in held]
    assert replace(Settings(steps=given), topk=2).steps == steps


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("5, 3", "steps: 5 is not before 3; write them in order"),
        ([1, "1/2", "1/3"], "steps: 1/2 is not before 1/3; write them in order"),
        ([0.5, 0, 0.25], "steps: 0.5 is not before 0.25; write them in order"),
        ("4/3", "steps: '4/3' is not a share from 0 to 1; write one as 1/3, or a step in digits"),
        ("1/0", "steps: '1/0' divides by 0; write a share as 1/3"),
        ("1/3/5", "steps: '1/3/5' is not a share; write one as 1/3, or a step in digits"),
        ("1.5", "steps: '1.5' is not a share from 0.0 to 1.0; a step is written without a point"),
    ],
)
def test_what_steps_cannot_be_is_said(given, said):
    assert message(steps=given) == said


def test_a_step_that_the_run_it_is_of_does_not_have_is_refused():
    assert Settings(steps=[0, 49], steps_of=50).steps_of == 50
    assert message(steps=[5, 50], steps_of=50).startswith("steps: 50 is no step of a run of 50;")


@pytest.mark.parametrize("without", ["check", "push"])
def test_redraws_need_a_check_and_a_push_that_can_grow(without):
    given_values = {"enabled": True, "redraws": 2, "check": "nudenet", "push": "separate"}
    assert Settings.from_dict(given_values).redraws == 2
    del given_values[without]
    assert message(**given_values).startswith("redraws: 2 need")


def test_with_a_vocabulary_no_question_is_needed():
    assert Settings(enabled=True, questions=(), vocabulary="body").questions == ()


def test_enabled_needs_a_question():
    assert message(enabled=True, questions=[]).startswith("questions: ")
    assert Settings(enabled=False, questions=[]).questions == ()


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().topk = 2


def test_settings_are_hashable():
    assert len({Settings(questions=["a"], steps=[1]), Settings(questions=("a",), steps=(1,))}) == 1


@pytest.mark.parametrize(("typed", "held"), [("auto", "auto"), (" AUTO ", "auto"), ("", "auto"), ("2.5", 2.5), (3, 3.0)])
def test_a_number_may_be_left_to_the_program(typed, held):
    assert Settings(push_scale=typed).push_scale == held


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"push_scale": "hard"}, "push_scale: 'hard' is not a number; write one in digits, or auto"),
        ({"push_scale": True}, "push_scale: True is not a number; write one in digits, or auto"),
        ({"push_scale": -1}, "push_scale: -1.0 is outside 0.0 to 100.0"),
        ({"push_alpha": 1.5}, "push_alpha: 1.5 is outside 0.0 to 1.0"),
        ({"push_start": 0.5, "push_end": 0.5}, "push_start: 0.5 is not before push_end 0.5; move one of them"),
    ],
)
def test_what_a_push_cannot_be_is_said(given, said):
    assert message(**given) == said


@pytest.mark.parametrize("push", PUSHES)
def test_a_push_inside_attention_needs_no_question(push):
    if push in INSIDE:
        settings = Settings(enabled=True, push=push, questions=())
        assert from_infotext(settings.to_infotext()) == settings
    else:
        assert message(enabled=True, push=push, questions=()).startswith("questions: none are given")


KEY_AND_VALUE = re.compile(
    r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)'
)  # AUTOMATIC1111's and Forge's infotext_utils.py


def through_a_host(written):
    """An infotext as the hosts write it into a picture and read it back."""
    quoted = {
        key: json.dumps(value, ensure_ascii=False) if set(value) & set(",\n:") else value for key, value in written.items()
    }
    line = "Steps: 20, Sampler: Euler a, " + ", ".join(f"{key}: {value}" for key, value in quoted.items())
    found = {}
    for key, value in KEY_AND_VALUE.findall(line):
        value = json.loads(value) if value[:1] == value[-1:] == '"' else value
        size = re.match(r"^(\d+)x(\d+)$", value)
        found |= {f"{key}-1": size[1], f"{key}-2": size[2]} if size else {key: value}
    return found


HOSTILE = st.text(max_size=12) | st.sampled_from(
    [
        '"big"',
        "512x512",
        "a, b: c",
        "[red] thing",
        '["a"]',
        "it's",
        'say "a", b',
        "\\",
        '\\"',
        "{}",
        "a:b",
        "Steps: 3",
        '"',
        '""',
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=3))
def test_every_text_survives_the_hosts_own_infotext(oracle, suffix, prefix, questions):
    lines = tuple(text for text in (" ".join(question.split()) for question in questions) if text) or ("What?",)
    texts = {"oracle": oracle.strip() or "x", "suffix": suffix.strip(), "prefix": prefix.strip(), "questions": lines}
    try:
        settings = Settings(enabled=True, **texts)
    except InputError:
        assume(False)
    assert from_infotext(through_a_host(settings.to_infotext())) == settings


def test_every_label_is_a_key_that_the_hosts_read():
    assert all(re.fullmatch(r"\w[\w \-/]+", item.metadata["label"]) for item in fields(Settings))


def test_a_question_may_begin_with_a_bracket():
    assert Settings.from_dict({"questions": "[Look] what is it?"}).questions == ("[Look] what is it?",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"every": None}, "every: None is empty; write a number"),
        ({"replay": [""]}, "replay: line 1 is empty; write a line or leave it out"),
    ],
)
def test_an_empty_field_is_named(given, said):
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        Settings.from_dict(given)
