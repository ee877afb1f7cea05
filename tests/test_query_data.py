"""The lists by which answers and prompts are read: no entry twice, and none that could never be found."""

import re
from collections import Counter

import pytest

from lib_vlmneg.query.data import FOLDER, groups, lines, patterns
from lib_vlmneg.query.words import spelled

NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))
EXPRESSIONS = (
    "leads",
    "leads_joined",
    "tails",
    "tails_joined",
    "mediums",
    "hedges",
    "guesses",
    "guesses_joined",
    "asides",
    "posed",
)
WORDS = [name for name in NAMES if name not in (*EXPRESSIONS, "pieces")]
GROUPED = ("english", "irregular", "kinds", "compounds", "inflections")


def repeated(entries):
    """The entries that are there more than once."""
    return [entry for entry, count in Counter(entries).items() if count > 1]


@pytest.mark.parametrize("name", WORDS)
def test_an_entry_is_spelled_as_what_it_is_compared_with(name):
    assert [entry for entry in lines(name) if entry != spelled(entry)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_entry_comes_twice(name):
    assert repeated(lines(name)) == []


@pytest.mark.parametrize("name", [*GROUPED, "pieces"])
def test_no_name_comes_twice(name):
    assert repeated(line.partition(":")[0] for line in lines(name)) == []


@pytest.mark.parametrize("name", GROUPED)
def test_no_word_comes_twice_in_a_group(name):
    assert {group: repeated(words) for group, words in groups(name).items() if repeated(words)} == {}


def test_no_word_comes_twice_in_a_line_of_synonyms():
    assert [line for line in lines("synonyms") if repeated(word.strip() for word in line.split(","))] == []


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_regular_expression_compiles(name):
    assert all(re.compile(expression) for expression in patterns(name))


def test_a_plural_has_one_singular():
    plurals = [plural for plurals in groups("irregular").values() for plural in plurals]
    assert repeated(plurals) == []
    assert not set(plurals) & set(groups("irregular"))
