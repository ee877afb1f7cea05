"""What an answer says is there, of a list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.oracles.base import Answer
from lib_vlmneg.query.asking import affirmation, presence
from lib_vlmneg.query.spotting import slip, spotted
from lib_vlmneg.query.vocabulary import BODY, PRESETS

ARMS = ("knife", "gun", "dagger", "blood", "night sky")
WORDS = st.text("abcdeé", min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("female breast, butoocks, belly, feet.", ("buttocks", "female breast", "feet", "belly")),
        ("male breast, bellly, armpits, male genitalia, feet.", ("male breast", "feet", "belly", "armpits", "male genitalia")),
        ("I cannot spot any human body parts in this image.", ()),
        ("none", ()),
        ("", ()),
        ("Armpit", ("armpits",)),
        ("FEMALE BREASTS", ("female breast",)),
        ("female", ()),
        ("breast", ()),
        ("genitalia (female)", ()),
        ("a foot of snow", ()),
    ],
)
def test_body_parts_as_models_write_them(answer, found):
    assert spotted(answer, BODY.items) == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("A knife and two daggers.", ("knife", "dagger")),
        ("There is no knife, but a gun", ("gun",)),
        ("I see no knife, gun or blood", ()),
        ("There are no weapons. I see blood.", ("blood",)),
        ("I see a knife, I can't see a gun", ("knife",)),
        ("a knife and no gun", ("knife",)),
        ("A gun is not present; a dagger is.", ("dagger",)),
        ("The gun isn\u2019t there", ()),
        ("knife: yes\ngun: no\ndagger: yes", ("knife", "dagger")),
        ("gunpowder, knifelike", ()),
        ("gum, gin", ()),
        ("dager, blod, dgager", ("dagger", "blood")),
        ("flood", ()),
        ("the night sky", ("night sky",)),
        ("sky at night", ()),
        ("(dagger:1.3) <gun>", ("gun", "dagger")),
    ],
)
def test_what_is_denied_or_only_similar_is_not_there(answer, found):
    assert spotted(answer, ARMS) == found


def test_a_word_of_the_list_is_never_taken_for_another():
    assert spotted("bullet", ("ballet", "bullet")) == ("bullet",)


def test_of_two_that_overlap_the_longer_counts():
    assert spotted("a female breast", ("breast", "female breast")) == ("female breast",)
    assert spotted("a female breast and a breast", ("breast", "female breast")) == ("breast", "female breast")


@pytest.mark.parametrize("name", PRESETS)
def test_every_item_is_found_in_the_list_of_all(name):
    assert spotted(", ".join(PRESETS[name].items), PRESETS[name].items) == PRESETS[name].items


@given(st.text(), st.lists(WORDS))
def test_only_items_are_found(answer, items):
    assert set(spotted(answer, items)) <= set(items)


def distance(one, other):
    """Optimal string alignment, by its recurrence."""
    rows = {}
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if not i or not j:
                rows[i, j] = i + j
                continue
            same = one[i - 1] == other[j - 1]
            rows[i, j] = min(rows[i - 1, j] + 1, rows[i, j - 1] + 1, rows[i - 1, j - 1] + (not same))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                rows[i, j] = min(rows[i, j], rows[i - 2, j - 2] + 1)
    return rows[len(one), len(other)]


@given(WORDS, WORDS)
def test_a_slip_is_a_distance_of_one(one, other):
    assert slip(one, other) == (distance(one, other) == 1)


@given(WORDS, st.integers(0, 7), st.sampled_from("abcdé"))
def test_one_letter_more_is_a_slip(word, place, letter):
    longer = word[:place] + letter + word[place:]
    assert slip(word, longer) and slip(longer, word)


@pytest.mark.parametrize(
    ("item", "question"),
    [
        ("dagger", "Is there a dagger in the image?"),
        ("explosion", "Is there an explosion in the image?"),
        ("blood", "Is there blood in the image?"),
        ("armpits", "Are there armpits in the image?"),
        ("female breast", "Is there a female breast in the image?"),
    ],
)
def test_the_question_for_one_item(item, question):
    assert presence(item) == question


@pytest.mark.parametrize(
    ("answers", "likely"),
    [
        ([Answer("yes", 0.9), Answer("no", 0.1)], 0.9),
        ([Answer("no", 0.6), Answer("yes", 0.2)], 0.25),
        ([Answer("Yes.", 0.5), Answer("yes", 0.1)], 1.0),
        ([Answer("dog", 0.6), Answer("yes", 0.2)], 0.25),
        ([Answer("no", 0.4), Answer("maybe", 0.2)], 0.0),
        ([Answer("yes")], 1.0),
        ([Answer("no"), Answer("yes")], 0.0),
        ([], 0.0),
    ],
)
def test_how_likely_yes_is(answers, likely):
    assert affirmation(answers) == pytest.approx(likely)
