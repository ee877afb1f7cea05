"""From what a model says to clean terms of a negative prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .data import phrase
from .hedging import unhedged
from .listing import entries
from .prompts import unasked
from .signs import COMMAS, CROSSES, DASHES, DOTS, NUMBERS, QUESTION, SEMICOLONS, STOPS, TICKS, lettered
from .table import untabled
from .term import leads_up, plain, term_in
from .unwrap import unwrapped
from .words import key, spelled

_NUMBER = r"(?:\d{1,3}(?:[.,]\d+)?\s*%|\d{1,3} percent\b|[01]?[.,]\d+(?!\w))"
_SURE = r"(?:(?:confidence|certainty|probability|likelihood|score|prob|conf)\b\.?(?: score| level)?)"
_SCORE = (
    rf"[(\[]?\s*(?:with |at )?(?:an? )?{_SURE}\s*(?:of|is|:|=)?\s*(?:about |around )?{_NUMBER}\s*[)\]]?"
    rf"|[(\[]?\s*(?:with |at )?(?:an? |about |around )?{_NUMBER}\s*{_SURE}[)\]]?"
    rf"|(?<=[^\W\d_])[\"'*`]*\s*(?:[:=\u2013\u2014-]|[:=-]+>|\u2192)\s*{_NUMBER}(?=\s*(?:[,;|)\n]|$))"
    rf"|(?<=[^\W\d_])\s+{_NUMBER}(?=\s*(?:[,;|\n]|$))|(?:^|(?<=\n))\s*[\[(]?{_NUMBER}[\])]?\s*[:\s-]\s*(?=[^\W\d_])"
)
_NUMBERS = re.compile(f"[{NUMBERS}]|\\d\ufe0f?\u20e3")
_STARS = re.compile(r"^[ \t]*[*+][ \t]+", re.MULTILINE)
_JUNK = re.compile(
    r"\[(?=[^\]]*\d)[\d.,\s\[\]-]+\]|\(\d+,\s*\d+\)"  # a box as four numbers
    r"|\(\s*(?:\d*[.,]\d+|\d+\s*%)\s*\)"  # a score
    r"|:\s*-?\d+\.\d+(?=\))|<(?:lora|lyco|hypernet):[^>]*>"  # emphasis, and a network: an answer that imitates a prompt
    r"|data:\S+|(?:https?://|www\.)\S+|\S+@\S+\.\w+"
    r"|&\w{2,8};"
    r"|\bn\d{8}\b[\s:,-]*"  # a class of ImageNet
    rf"|{_SCORE}"
    r"|(?<!\w)\d+\s*\u00d7\s*|\s\u00d7\s*\d+(?!\w)"  # how many
    r"|\ufffd|[\u00c2\u00c3\u00e2][\u0080-\u00bf\u20ac\u2122]\S*"  # no sign at all, or UTF-8 that was read as Latin-1
)
_PUNCTUATION = "\n'.!?/|&+=()[]#>:-" + COMMAS + SEMICOLONS + STOPS + QUESTION + DASHES + DOTS + TICKS + CROSSES
_GROUNDS = re.compile(
    r"(?:^|(?<=[.!\n]))\s*(?:based on|from|judging (?:by|from)|given|considering|looking at|according to|because of|due to)\b"
    r"[^,.\n]{3,80},\s*(?=(?:the|it|this|these|i|there|my)\b)"
)
_SHORT = r"([^.!?\n]{1,40}[.!])"
_WHY = r"(?:the|its?|this|these|they)\b[^.!?]*\b(?:has|have|is|are|can be|with)\b.*"
_EXPLAINED = re.compile(rf"^{_SHORT}\s+{_WHY}$", re.DOTALL)
_MOST_BEFORE_WHY = 3  # words


def clean(raw: str) -> tuple[str, ...]:
    """The terms in one answer, in lower case: "It is a dog and a Cat." gives ("dog", "cat"), a refusal gives ().

    Thoughts, wrappers and what is denied go first; plural and singular are one term. Whatever has a meaning in prompt syntax
    (brackets, colons, angle brackets) is taken out. Begun after `clean_vqa_answer` of the public code of Golan et al. 2025.
    """
    text = lettered(spelled(_JUNK.sub(" ", _STARS.sub("- ", _NUMBERS.sub("\n", untabled(unwrapped(raw)))))), _PUNCTUATION)
    text = unhedged(_GROUNDS.sub("", re.sub(r"[^\S\n]+", " ", text).strip()))
    if phrase("refusals").search(text):
        return ()
    short = _EXPLAINED.match(text)
    if short and len(short[1].split()) <= _MOST_BEFORE_WHY and not leads_up(short[1]):
        text = short[1]
    return _once(term_in(entry) for entry in entries(text))


def terms(raw: Iterable[str], prompt: str, suffix: str = "", negate_prompt: bool = False) -> tuple[str, ...]:
    """The terms of several answers, once each, with the suffix (wood: "wood building"), less what the prompt asks for."""
    found = _once(term for answer in raw for term in clean(answer))
    return tuple(dict.fromkeys(_suffixed(term, suffix) for term in unasked(found, prompt, negate_prompt)))


def weighted(term: str, weight: float) -> str:
    """The term as a prompt writes its emphasis."""
    return term if weight == 1 else f"({term}:{round(weight, 3):g})"


def _once(found: Iterable[str]) -> tuple[str, ...]:
    """The terms in order, only the first of those that are the same but for number."""
    by_key: dict[str, str] = {}
    for term in filter(None, found):
        by_key.setdefault(key(term), term)
    return tuple(by_key.values())


def _suffixed(term: str, suffix: str) -> str:
    suffix = plain(spelled(suffix.replace("_", " ")))
    return term if not suffix or key(term).split()[-1:] == key(suffix).split()[-1:] else f"{term} {suffix}"
