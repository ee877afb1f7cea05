"""One term, out of a part of an answer: without what leads up to it, what follows it, and words that name nothing."""

from __future__ import annotations

import re
from functools import cache

from .data import either, english, lines, patterns
from .signs import lettered, unspaced
from .words import ARTICLE

MOST_WORDS = 6  # a longer answer is a sentence, not a term
MOST_LETTERS = 24  # of a word: a longer one is no word
MOST_SIGNS = 20  # of a term in a script that leaves no blanks
_CUT = re.compile(rf"\s{either(english('describes'))}\s")
_ELISION = r"(?:l'|d')(?=\w\w)"
_LABEL = r"(?:label|class|option|category|right|left|no|number|item|object|answer)"
_UNIT = r"(?:am|pm|%|k|st|nd|rd|th|x|px)"
_NUMBER = re.compile(rf"{_LABEL}?[ _]?\d+(?:[ .:/-]\d+)*(?: ?{_UNIT})?|[ivx]+")
_DRAWN_OUT = re.compile(r"(.)\1{4}")


def term_in(part: str) -> str:
    """The term in a part of an answer; "" where it names nothing, or is a sentence."""
    term = _shortened(" ".join(_unrepeated(_bare(part).split())))
    words = term.split()
    most = MOST_SIGNS if unspaced(term) else MOST_LETTERS
    if not words or len(words) > MOST_WORDS or any(len(word) > most for word in words):
        return ""
    return "" if _says_nothing(term) else term


def plain(part: str) -> str:
    """A part with nothing but letters, digits and, between them, blanks, apostrophes, hyphens and ampersands."""
    words = (word.strip("'-") if word[0] == "'" else word.strip("-") for word in lettered(part, "'-&").split())
    return " ".join(filter(None, words)).strip("&'- \u200c\u200d")


def _bare(part: str) -> str:
    """Without what leads up to it and what follows: "it looks like a dog in the image" is "dog"."""
    part = plain(part)
    if leads_up(part) or _no_part().match(part):
        return ""
    whole = part
    while (shorter := plain(_tails().sub("", _led(part)))) != part and shorter:
        part = shorter
    return part if part == whole else _when().sub("", part)


def _led(part: str) -> str:
    """Without all that leads up to it."""
    while (shorter := plain(_leads().sub("", part, count=1))) != part and shorter:
        part = shorter
    return part


def leads_up(part: str) -> bool:
    """Whether a part of an answer only leads up to what follows: "Sure!"."""
    return _leads().sub("", f"{plain(part)} .") == "."


@cache
def _no_part() -> re.Pattern[str]:
    """What begins a part that tells more of a thing than its name: "which is lying on a rug", "in the background"."""
    return re.compile(rf"(?:{'|'.join(patterns('asides'))})(?![\w'-])")


@cache
def _when() -> re.Pattern[str]:
    """When a picture was taken; in a sentence alone, for it may be of a name: "starry night"."""
    return re.compile(
        rf"(?<=\w) (?:at|during|in|by) (?:the )?(?:\w+ )?{either(english('times'))}\b.*|(?<=\w) {patterns('posed')[0]}$"
    )


@cache
def _leads() -> re.Pattern[str]:
    spaced, joined = "|".join(f"(?:{lead})" for lead in patterns("leads")), "|".join(patterns("leads_joined"))
    return re.compile(rf"^(?:(?:{spaced})(?![\w'-])|{_ELISION}|(?:{joined}))[\s,:]*(?=\S)")


@cache
def _tails() -> re.Pattern[str]:
    spaced, joined = "|".join(patterns("tails")), "|".join(patterns("tails_joined"))
    return re.compile(rf"(?:[\s,]+(?:{spaced})|(?<=\S)\s?(?:{joined}))\s*$")


def _unrepeated(words: list[str]) -> list[str]:
    """The shortest beginning of which all is a repetition: "dog dog dog" is "dog"."""
    for length in range(1, len(words)):
        if all(word == words[index % length] for index, word in enumerate(words)):
            return words[:length]
    return words


def _shortened(term: str) -> str:
    """A description of more than six words, up to where it still has six."""
    while len(term.split()) > MOST_WORDS and (cuts := list(_CUT.finditer(term))):
        term = term[: cuts[-1].start()]
    return term


def _says_nothing(term: str) -> bool:
    """Whether a term is a number, noise, one letter, or made of words that name nothing."""
    signs = set(term) - set(" '-")
    if not any(sign.isalpha() for sign in signs) or _NUMBER.fullmatch(term):
        return True
    if (len(term) > 3 and len(signs) < 2) or _DRAWN_OUT.search(term):
        return True
    if len(term) < 2 and not unspaced(term) and ord(term) <= 0x2E80:
        return True
    nothing = _nothing()
    return ARTICLE.sub("", term) in nothing or all(word in nothing or word.isdigit() for word in term.split())


@cache
def _nothing() -> frozenset[str]:
    return frozenset(lines("nothing"))
