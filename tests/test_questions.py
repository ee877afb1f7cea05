import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.errors import InputError
from lib_vlmneg.query.questions import PRESETS, questions_for
from lib_vlmneg.query.subject import subject

WORDS = ("a", "photo", "of", "the", "pet", "(", ":", ")", "<", ">", ",", ".", "in")


@pytest.mark.parametrize(
    ("prompt", "thing"),
    [
        ("a photo of a pet", "pet"),
        ("A photo of a creative pet.", "pet"),
        ("pet", "pet"),
        ("a photo of a new type of pet on a hill", "pet"),
        ("an oil painting of the old castle, dramatic light", "castle"),
        ("a red building with a flag", "building"),
        ("(masterpiece:1.2), best quality", None),
        ("<lora:style:0.8> a [red] (vehicle:1.3) in the rain", "vehicle"),
        ("a cat AND a dog", "cat"),
        ("A studio close-up of my Bag\non a table", "bag"),
        ("", None),
        (" , ", None),
    ],
)
def test_the_subject_of_a_prompt(prompt, thing):
    assert subject(prompt) == thing


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_a_subject_is_one_lower_case_word(prompt):
    thing = subject(prompt)
    assert thing is None or (len(thing.split()) == 1 and thing == thing.lower())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_opens_to_whole_questions(name):
    opened = questions_for("a photo of a pet", [name])
    assert opened and all(question.endswith("?") and "{" not in question for question in opened)


def test_a_preset_names_the_subject_of_the_prompt_or_the_given_one():
    assert questions_for("a photo of a pet", ["auto"]) == ("What pet do you recognize in the image?",)
    assert questions_for("a photo of a pet", ["auto: house"]) == ("What house do you recognize in the image?",)


def test_typed_questions_stay_as_they_are_in_their_order():
    typed = ("What is it made of?", "Is this: a pet?")
    assert questions_for("a photo of a pet", typed) == typed


def test_a_typed_question_may_name_the_subject():
    assert questions_for("a photo of a pet", ["Which {subject}?"]) == ("Which pet?",)


def test_a_question_that_two_presets_share_is_asked_once():
    assert questions_for("a pet", ["creative", "auto"]) == questions_for("a pet", ["creative"])


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_question_is_bad_input(blank):
    with pytest.raises(InputError, match=r"^questions: "):
        questions_for("a pet", ["What?", blank])
