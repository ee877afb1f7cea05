"""Words as they are compared: one spelling, singular. What is shown and what a prompt is given stays as it was said."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from .data import groups
from .signs import mark

ARTICLE = re.compile(r"^(?:the|an?|some)\s+")
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc`"), "'")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_OF_SEVERAL = re.compile(r"(?<=[^\W_]s)'(?=\s+[^\W_])")  # the apostrophe of "dogs' bowl"
_MEN = tuple("omen amen semen ramen hymen lumen stamen specimen abdomen regimen acumen bitumen".split())  # no plurals
_ES = ("ches", "shes", "sses", "xes", "zzes", "oes")
_USE = re.compile(r"(?:[ao]uses|^uses|[bfmc]uses)$")  # "houses", "muses": the singular keeps its e, unlike that of "viruses"


def spelled(text: str) -> str:
    """In lower case, full-width and composed signs as plain ones, one sort of apostrophe."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    return unicodedata.normalize("NFC", text.lower().replace("i\u0307", "i"))  # Turkish: a capital I with a dot


def stem(word: str) -> str:
    """A word without its plural ending, for comparison only: "wolves" and "wolf" are one, "iris" and "bus" are no plurals."""
    if word in _irregular():
        return _irregular()[word]
    if len(word) > 4:
        if word.endswith("men") and not word.endswith(_MEN):
            return word[:-2] + "an"
        if word.endswith("ies"):
            return word[:-3] + "y"
        if word.endswith(_ES) or (word.endswith("uses") and not _USE.search(word)):
            return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@cache
def _irregular() -> dict[str, str]:
    """The singular of each word in data/irregular.txt, plural or singular."""
    singular = {name: name for name in groups("irregular")}
    return singular | {plural: name for name, plurals in groups("irregular").items() for plural in plurals}


def stems(text: str) -> list[str]:
    """The words of a text, to be compared: hyphens and underscores part them, "dog's" is no dog."""
    return [stem(word) for word in _tokens(_OF_SEVERAL.sub("'s", spelled(text)))]


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text)
    letters = "".join(sign if sign.isalnum() or sign == "'" or mark(sign) else " " for sign in text)
    return [word for word in (part.strip("'") for part in letters.split()) if word]


def key(term: str) -> str:
    """What makes two terms the same: their words, singular."""
    return " ".join(stems(term))
