"""Words as they are compared: one spelling, singular. What is shown and what a prompt is given stays as it was said."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from .data import groups

_MEN = ("omen", "amen", "semen", "ramen", "hymen", "lumen", "stamen", "specimen", "abdomen", "regimen", "acumen", "bitumen")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def spelled(text: str) -> str:
    """In lower case, full-width and composed signs as plain ones, one sort of apostrophe."""
    text = unicodedata.normalize("NFKC", text).translate({0x2018: "'", 0x2019: "'", 0x02BC: "'", 0x0060: "'"})
    return unicodedata.normalize("NFC", text.lower())


def mark(sign: str) -> bool:
    """Whether a sign belongs to the letter before it: Hindi's vowels, an accent that has no letter of its own."""
    return unicodedata.category(sign)[0] == "M" or sign in "\u200c\u200d"


@cache
def _irregular() -> dict[str, str]:
    singular = {name: name for name in groups("irregular")}
    return singular | {plural: name for name, plurals in groups("irregular").items() for plural in plurals}


def stem(word: str) -> str:
    """A word without its plural ending, for comparison only: "wolves" and "wolf" are one, "iris" and "bus" are no plurals."""
    if word in _irregular():
        return _irregular()[word]
    if word.endswith("men") and len(word) > 4 and not word.endswith(_MEN):
        return word[:-2] + "an"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zzes", "oes")):
        return word[:-2]
    if len(word) > 4 and word.endswith("uses") and not re.search(r"(?:[ao]uses|^uses|[bfmc]uses)$", word):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def stems(text: str) -> list[str]:
    """The words of a text, to be compared: hyphens and underscores part them, "dog's" is no dog."""
    text = re.sub(r"(?<=[^\W_]s)'(?=\s+[^\W_])", "'s", spelled(text))
    return [stem(word) for word in _tokens(text)]


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text)
    letters = "".join(sign if sign.isalnum() or sign == "'" or mark(sign) else " " for sign in text)
    return [word for word in (part.strip("'") for part in letters.split()) if word]


def key(term: str) -> str:
    """What makes two terms the same: their words, singular."""
    return " ".join(stems(term))
