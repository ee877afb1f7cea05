"""From what a model says to the items of a list that it has seen: whole words, plurals, simple misspellings, no denials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from .data import lines
from .denial import affirmed
from .signs import unspaced
from .unwrap import unwrapped
from .words import spelled, stem, stems

_MEASURE = re.compile(r"\b(?:foot|feet) (?:of|tall|long|high|deep|wide|away|above|below)\b")
LONG = 5  # letters of a word that may have a letter doubled, not doubled, or two of them swapped
LONGER = 7  # letters of a word that may have any one letter wrong: shorter words so often are others ("would" and "wound")


def spotted(answer: str, items: Iterable[str]) -> tuple[str, ...]:
    """The items, in their order, that `answer` says are there: "Feet, butoocks. No gun." has feet and buttocks, no gun.

    An item of several words stands in the answer as it is; where two overlap the longer counts. A word counts in singular and
    plural, and misspelled by one slip (see `misspelled`) where that makes no other word.
    """
    names = {item: tuple(stems(item)) for item in items}
    known = sorted({word for words in names.values() for word in words})
    found: set[str] = set()
    for part in affirmed(_MEASURE.sub(" ", _listed(answer)), places=True):
        found |= {item for item in names if unspaced(item) and spelled(item) in part}
        found |= _named([_meant(word, known) for word in stems(part)], names)
    return tuple(item for item in names if item in found)


def _named(heard: list[str], names: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The items whose words stand in `heard` side by side; no word counts for two of them."""
    found = set()
    for item, wanted in sorted(names.items(), key=lambda named: -len(named[1])):
        for start in range(len(heard) - len(wanted) + 1):
            if wanted and tuple(heard[start : start + len(wanted)]) == wanted:
                heard[start : start + len(wanted)] = [""] * len(wanted)
                found.add(item)
    return found


def _listed(answer: str) -> str:
    """The answer's own words, spelled as they are compared, without the marks of lists and tables."""
    text = spelled(unwrapped(answer)).replace("*", " ").replace("`", " ").replace('"', " ")
    return text.replace("_", " ").replace("|", " : ").replace("\u2192", " : ")


def _meant(word: str, known: Sequence[str]) -> str:
    """The known word that this one is or misspells, or the word itself."""
    return word if word in known else next((other for other in known if misspelled(word, other)), word)


def misspelled(word: str, other: str) -> bool:
    """Whether `word`, which is no real word, is `other` with one slip; the first letter is always right.

    In five letters or more a slip is a letter doubled or not doubled, or two swapped; in seven or more also any letter that is
    wrong, missing or too many.
    """
    if len(other) < LONG or word[:1] != other[:1] or word in _others():
        return False
    if _single(word) in (_single(other), _single(other) + "s") or _swapped(word, other):
        return True
    return len(other) >= LONGER and (slip(word, other) or slip(_single(word), _single(other)))


@cache
def _others() -> frozenset[str]:
    return frozenset(map(stem, lines("real_words")))


def _single(word: str) -> str:
    """The word with its doubled letters single."""
    return "".join(sign for index, sign in enumerate(word) if not index or sign != word[index - 1])


def _swapped(one: str, other: str) -> bool:
    return len(one) == len(other) and slip(one, other) and sorted(one) == sorted(other)


def slip(one: str, other: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are swapped (Damerau 1964); not for equal words."""
    short, long = sorted((one, other), key=len)
    if short == long or len(long) - len(short) > 1:
        return False
    start = next((index for index, pair in enumerate(zip(short, long)) if pair[0] != pair[1]), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    return swapped or short[start + 1 :] == long[start + 1 :]
