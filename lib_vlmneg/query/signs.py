"""Signs: those that begin a row of a list, those that say yes or no, and the letters of scripts that leave no blanks."""

from __future__ import annotations

import re
import unicodedata

DASHES = "\u2013\u2014"
# round, square and pointed, and stars: before a row of a list
DOTS = (
    "\u2022\u00b7\u25aa\u25e6\u2023\u25cf\u25cb\u25a0\u25a1\u25c6\u25c7\u25ba\u25b6\u25b8\u2605\u2606\u27a4\u2726\u2756\u2043"
)
TICKS = "\u2713\u2714\u2705\u2611\u25c9"
CROSSES = "\u2717\u2718\u274c\u2715\u2716\u00d7\u2610\u26d4\U0001f6ab"
NUMBERS = "\u2460-\u249b\u24b6-\u24ff\u2776-\u2793\U0001f51f"  # within circles, brackets or before a full stop
COMMAS = ",\u3001\u060c"  # Chinese and Arabic beside the plain one
SEMICOLONS = ";\u061b"
STOPS = "\u3002\u0964\u06d4"  # full stops: Chinese, Hindi, Urdu; the plain one may stand within a number
QUESTION = "\u061f"  # Arabic

HANGUL = "\uac00-\ud7af"
CHINESE = "\u3005-\u9fff"  # with the Japanese kana
_UNSPACED = re.compile(rf"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff{CHINESE}{HANGUL}\U00020000-\U0003ffff]")
_JOINERS = "\u200c\u200d"  # of zero width, within words of Persian and Hindi


def unspaced(text: str) -> bool:
    """Whether a sign is of a script that leaves no blanks or joins endings to its words (Thai, Chinese, Japanese, Korean)."""
    return bool(_UNSPACED.search(text))


def mark(sign: str) -> bool:
    """Whether a sign belongs to the letter before it: Hindi's vowels, an accent that has no letter of its own."""
    return unicodedata.category(sign)[0] == "M" or sign in _JOINERS


def lettered(text: str, others: str) -> str:
    """The text with a blank for every sign that is no letter or digit, no mark on one, and none of `others`."""
    kept = ""
    for sign in text:
        whole = sign.isalnum() or sign in others or (mark(sign) and kept[-1:].strip())
        kept += sign if whole else " "
    return kept
