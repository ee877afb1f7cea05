import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_vlmneg.query.answers import clean, terms, weighted
from lib_vlmneg.query.prompts import asked_for
from lib_vlmneg.query.signs import mark, unspaced
from lib_vlmneg.query.term import MOST_WORDS
from lib_vlmneg.query.words import key, stem

PIECES = (
    " ", " ", ", ", ". ", "\n", " and ", "and", " or ", "/", "(", ")", "[", "{", "<", ">", ":", "|", "_", "'", "'Dog", "-",
    " - ", "*", "1.2",
    "the ", "a ", "It is ", "no ", "not", "yes", "Dog", "Dog", "cat", "ÉTÉ", "İ", "unknown", "sorry", "don't", "know",
)  # fmt: skip
SAID = st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
often = settings(max_examples=400)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("dog", ("dog",)),
        ("It is a dog and a Cat.", ("dog", "cat")),
        ("The image… I see a big dog", ("big dog",)),
        ("I can see a wooden chair, a table; a lamp", ("wooden chair", "table", "lamp")),
        ("Yes, it's a golden retriever", ("golden retriever",)),
        ("there are dogs & cats", ("dogs", "cats")),
        ("dog\ncat\r\nbird", ("dog", "cat", "bird")),
        ("dog, Dog, dog", ("dog",)),
        ("t-shirt", ("t-shirt",)),
        ("men's hat", ("men's hat",)),
        ("<big> (dog) [cat]", ("big dog cat",)),
        ("café au lait", ("café au lait",)),
    ],
)
def test_an_answer_becomes_terms(said, found):
    assert clean(said) == found


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        ".",
        "unknown",
        "Unknown.",
        "none",
        "Nothing",
        "no",
        "yes",
        "n/a",
        "0",
        "2",
        "a",
        "the",
        "it is",
        "error",
        "neither",
    ]
    + ["no dog", "No cat.", "there is no castle", "I see no flag", "without a hat", "not a dog"]
    + [
        "I'm sorry, but I cannot see the dog.",
        "As an AI, I have no idea",
        "I don't know",
        "I don\u2019t know",
        "Not sure, a dog",
    ]
    + ["I am unable to say", "The image is not clear", "It could be anything, a word, and I could not say which"]
    + ["{[1]: 2}", "{ {} }"],  # in Python a TypeError
)
def test_no_answer_gives_no_term(said):
    assert clean(said) == ()


@pytest.mark.parametrize("said", ["I  don't  know", "not\tsure", "_Sorry_", "sorry_", "I do*not*know"])
def test_a_refusal_is_seen_through_blanks_and_markup(said):
    assert clean(said) == ()


@pytest.mark.parametrize("said", ["I do not see any animal.", "there is not any dog", "There isn't a flag"])
def test_a_denial_gives_no_term(said):
    assert clean(said) == ()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("This is a 'dog'", ("dog",)),
        ("the - dog", ("dog",)),
        ("A-frame house", ("a-frame house",)),
        ("dog (and cat)", ("dog", "cat")),
        ("**dog** and **cat**", ("dog", "cat")),
    ],
)
def test_quotes_dashes_and_markup_around_a_word_do_not_spoil_it(said, found):
    assert clean(said) == found


def test_a_sentence_is_no_term():
    words = "quick brown furry lazy striped hungry spotted".split()
    assert clean(" ".join(words[:MOST_WORDS])) == (" ".join(words[:MOST_WORDS]),)
    assert clean(" ".join(words[: MOST_WORDS + 1])) == ()


@often
@given(SAID)
def test_a_term_has_no_prompt_syntax_no_capitals_and_is_never_empty(said):
    for term in clean(said):
        assert not set(term) & set("()[]{}<>:|\\,;_\n\r\t")
        assert term == term.lower() and term == " ".join(term.split())
        assert len(term) > 1 or ord(term) > 0x2E80 or unspaced(term)


@often
@given(SAID)
def test_a_term_begins_and_ends_with_a_letter_or_digit(said):
    for term in clean(said):
        assert term[0].isalnum() and (term[-1].isalnum() or mark(term[-1]))


@often
@given(SAID)
def test_a_clean_term_stays_as_it_is(said):
    for term in clean(said):
        assert clean(term) == (term,)


@often
@given(SAID)
def test_no_term_comes_twice(said):
    assert len(clean(said)) == len(set(clean(said)))


@given(st.lists(SAID, max_size=4), SAID)
def test_terms_of_several_answers_are_those_of_each_less_what_the_prompt_names(said, prompt):
    every = dict.fromkeys(term for one in said for term in clean(one))
    assert terms(said, prompt, negate_prompt=True) == tuple(every)
    assert terms(said, prompt) == tuple(term for term in every if not asked_for(term, prompt))


@pytest.mark.parametrize(
    ("term", "prompt"),
    [
        ("dog", "a photo of a Dog"),
        ("dogs", "a photo of a dog"),
        ("dog", "two dogs, (happy:1.2)"),
        ("big dog", "a big dog"),
        ("cherry", "cherries in a bowl"),
        ("churches", "a church"),
        ("dog", "a (dog:1.3)"),
        ("dog", "a 'dog' on a sofa"),
        ("buses", "a bus"),
    ],
)
def test_what_the_prompt_names_is_not_negated(term, prompt):
    assert terms([term], prompt) == ()
    assert terms([term], prompt, negate_prompt=True) == (term,)


@pytest.mark.parametrize(
    ("term", "prompt"), [("cat", "a category"), ("big dog", "a dog"), ("dog big", "a big dog"), ("glass", "a gla"), ("dog", "")]
)
def test_only_whole_words_in_order_count_as_named(term, prompt):
    assert terms([term], prompt) == (term,)


@pytest.mark.parametrize(
    "plural", ["dogs", "cherries", "churches", "boxes", "glasses", "houses", "horses", "buses", "strawberries", "shoes"]
)
def test_a_plural_and_its_singular_are_the_same(plural):
    singular = {"cherries": "cherry", "strawberries": "strawberry", "churches": "church", "boxes": "box"}
    singular |= {"glasses": "glass", "buses": "bus"}
    assert stem(plural) == stem(singular.get(plural, plural[:-1]))


@pytest.mark.parametrize("word", ["bus", "glass", "iris", "gas", "is"])
def test_a_word_that_only_looks_like_a_plural_is_whole(word):
    assert stem(word) == word


@given(st.text(max_size=12))
def test_the_key_of_a_term_does_not_depend_on_capitals_or_blanks(term):
    assert key(f"  {term}  ") == key(term)
    assert key("Big  Dogs") == key("big dog") != key("dog big")


def test_the_suffix_is_put_behind_each_term_that_does_not_end_with_it():
    assert terms(["wood, brick"], "a house", "building") == ("wood building", "brick building")
    assert terms(["wooden building", "old buildings"], "a house", "building") == ("wooden building", "old buildings")
    assert terms(["wood", "wood building"], "a house", "building") == ("wood building",)


@given(st.lists(st.sampled_from(["", "unknown", "no dog", "I don't know", ".", "a"])))
def test_the_suffix_is_never_put_behind_nothing(said):
    assert terms(said, "a pet", "building") == ()


def test_the_suffix_is_not_taken_for_what_the_prompt_names():
    assert terms(["wood"], "a creative building", "building") == ("wood building",)


@pytest.mark.parametrize(
    ("weight", "text"), [(1, "dog"), (1.0, "dog"), (1.2, "(dog:1.2)"), (0.5, "(dog:0.5)"), (0, "(dog:0)"), (10.0, "(dog:10)")]
)
def test_a_weight_is_written_as_prompts_write_it(weight, text):
    assert weighted("dog", weight) == text


@given(st.floats(0, 10))
def test_any_weight_is_one_that_a_prompt_parser_reads(weight):
    text = weighted("dog", weight)
    assert text == "dog" or abs(float(re.fullmatch(r"\(dog:(\d+(?:\.\d+)?)\)", text)[1]) - weight) < 1e-3
