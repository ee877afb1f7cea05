"""From what a model says to the items of a list that it has seen: whole words, plurals, simple misspellings, no denials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .answers import stem

LONG = 5  # letters of a word that may be misspelled by one: in shorter ones that makes another word
_CLAUSE = re.compile(r"[.;!?\n]|\b(?:but|however|though|although|except)\b|,\s*(?=(?:i|there|it|the|we|no|not|without)\b)")
_DENIAL = re.compile(r"\b(?:no|not|none|nor|neither|never|without|cannot|unable|\w+n't)\b")
_DENIED = re.compile(
    r"\b(?:is|are|was|were)(?: not\b|n't)|\b(?:cannot|can't|can not|could not|couldn't) be\b|[:=-]\s*(?:no|none|absent)\s*$"
)
_WORD = re.compile(r"\w+(?:'\w+)*")


def spotted(answer: str, items: Iterable[str]) -> tuple[str, ...]:
    """The items, in their order, that `answer` says are there: "Feet, butoocks. No gun." has feet and buttocks, no gun.

    An item of several words stands in the answer as it is; where two overlap the longer counts. A word counts in singular and
    plural, and, with five letters or more, with one letter wrong, missing, doubled or swapped, as long as the first is right.
    """
    stems = {item: tuple(stem(word) for word in _words(item)) for item in items}
    known = {word for words in stems.values() for word in words}
    said = [_affirmed(clause) for clause in _CLAUSE.split(answer.lower().replace("\u2019", "'"))]
    found: set[str] = set()
    for words in said:
        heard = [word if word in known else _meant(word, known) for word in map(stem, words)]
        for item in sorted(stems, key=lambda item: -len(stems[item])):
            wanted = stems[item]
            for start in range(len(heard) - len(wanted) + 1):
                if wanted and tuple(heard[start : start + len(wanted)]) == wanted:
                    heard[start : start + len(wanted)] = [""] * len(wanted)
                    found.add(item)
    return tuple(item for item in stems if item in found)


def _affirmed(clause: str) -> list[str]:
    """The words of a clause that it does not deny: "a knife and no gun" leaves "a knife and"."""
    return [] if _DENIED.search(clause) else _words(_DENIAL.split(clause, maxsplit=1)[0])


def _meant(word: str, known: Iterable[str]) -> str:
    """The known word that is one slip away, or the word itself."""
    return next((other for other in sorted(known) if len(other) >= LONG and other[0] == word[0] and slip(word, other)), word)


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


def _words(text: str) -> Sequence[str]:
    return _WORD.findall(text.lower())
