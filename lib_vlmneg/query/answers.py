"""From what a model says to clean terms of a negative prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from .data import lines, phrase, unspaced
from .denial import affirmed
from .prompts import asked_for
from .unwrap import unwrapped
from .words import key, mark, spelled

MOST_WORDS = 6  # a longer answer is a sentence, not a term
MOST_LETTERS = 24  # of a word: a longer one is no word
MOST_SIGNS = 20  # of a term in a script that leaves no blanks
_IMAGE = r"(?:image|picture|photo|photograph|pic|scene|painting|drawing|illustration|artwork|render|rendering|frame|shot|view|figure)s?"
_BE = (r"(?:'s|'re|(?: also| most| very| probably| likely| most likely| clearly| definitely)*"
       r" ?\b(?:is|are|was|were|be|could be|may be|might be|must be|would be|seems? to be|appears? to be|appears?|seems?"
       r"|(?:looks?|seems?|appears?|is) like|resembles?|looks? to be|is likely|is probably|include|includes|including)\b"
       r"(?: (?:probably|likely|most likely|clearly|definitely|possibly|perhaps|also|simply|either|just|called|named|known as|of|like|that of))*)")  # fmt: skip
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013\u2014\u00b7\u25aa\u25e6\u2023\u25cf+>#]+|\(?(?:\d{1,2}|[a-z])[.):]|\d{1,2}\s*[-\u2013])\s+", re.MULTILINE)
_INLINE = re.compile(r"(?:(?<=\s)|^)\(?\d{1,2}[.)](?:\s+|(?=[^\W\d]))")
_PUNCTUATION = "\n'.,;:!?/|&+=()[]#>-\u2013\u2014\u2022\u00b7\u25aa\u25e6\u2023\u25cf\u3001\u3002\uff0c\u060c\u061b\u061f\u0964\u06d4\u2713\u2714\u2705\u2611\u2717\u2718\u274c\u2715\u00d7"
_RULE = re.compile(r"\s*\|?(?:\s*:?-{3,}:?\s*\|?)+\s*")
_EXPLAINS = re.compile(r"^([^.!?\n]{1,40}[.!])\s+(?:(?:the|its?|this|these|they)\b[^.!?]*\b(?:has|have|is|are|can be|with)\b.*)$", re.DOTALL)
_TITLE = re.compile(r"^\s*([^\W\d_][^:,.;!?\n]{0,40}?)\s*[:=]\s*(?=\S)")
_SPLIT = re.compile(
    r"[,;\n/|+\u3001\u060c\u061b\uff1b]|\s+(?:and|or|nor|plus|as well as|along with|together with|und|oder|et|ou|y|e|o|en|och|og|oraz|\u0438|\u0438\u043b\u0438"
    r"|\u0442\u0430|ve|veya|dan|atau|v\u00e0|ho\u1eb7c|\u03ba\u03b1\u03b9|\u0648|\u0914\u0930)(?=\s)|\s*&\s*|[.!?](?:\s|$)|[\u3002\u0964\u06d4]|\s[-\u2013\u2014]+\s"
)
_JOINED = re.compile(r"(?<=[\u3005-\u9fff\uac00-\ud7af])(?:\u548c|\u4e0e|\u8207|\u53ca|\u8ddf|\u3068|\u3084)(?=[\u3005-\u9fff])|(?<=[\uac00-\ud7af])(?:\uc640|\uacfc)\s")
_JUNK = re.compile(r"<box>.*?</box>|data:\S+|\(\s*(?:\d*[.,]\d+|\d+\s*%)\s*\)|\[[\d.,\s\[\]-]+\]|(?:https?://|www\.)\S+|\S+@\S+\.\w+|&\w{2,8};|\ufffd|[\u00c2\u00c3\u00e2][\u0080-\u00bf\u20ac\u2122]\S*")
_NUMBER = re.compile(r"(?:(?:label|class|option|category|right|left|no|number|item|object|answer)?[ _]?\d+(?:[ .:/-]\d+)*(?: ?(?:am|pm|%|k|st|nd|rd|th|x|px))?|[ivx]+)")
_CUT = re.compile(r"\s(?:that|which|who|whose|with|on|in|at|by|near|under|over|from|for|against|behind|beside|next to|sitting|standing|lying|wearing|holding|surrounded|is|are|has)\s")
_ARTICLE = re.compile(r"^(?:the|an?|some)\s+")


@cache
def _leads() -> re.Pattern[str]:
    spaced = "|".join(f"(?:{line})" for line in lines("leads")).replace("{image}", _IMAGE).replace(" {be}", _BE).replace("{be}", _BE)
    joined = "|".join(lines("leads_joined"))
    return re.compile(rf"^(?:(?:{spaced})(?![\w'-])|(?:l'|d')(?=\w\w)|(?:{joined}))[\s,:\u2026]*(?=\S)")


@cache
def _tails() -> re.Pattern[str]:
    spaced = "|".join(lines("tails")).replace("{image}", _IMAGE)
    return re.compile(rf"(?:[\s,]+(?:{spaced})|(?<=\S)\s?(?:{'|'.join(lines('tails_joined'))}))\s*$")


def clean(raw: str) -> tuple[str, ...]:
    """The terms in one answer, in lower case: "It is a dog and a Cat." gives ("dog", "cat"), a refusal gives ().

    Thoughts, wrappers and what is denied go first; plural and singular are one term. Whatever has a meaning in prompt syntax
    (brackets, colons, angle brackets) is taken out. Begun after `clean_vqa_answer` of the public code of Golan et al. 2025.
    """
    text = _lettered(spelled(_JUNK.sub(" ", unwrapped(raw))), _PUNCTUATION)
    text = re.sub(r"[^\S\n]+", " ", text).strip()
    if phrase("refusals").search(text):
        return ()
    if (short := _EXPLAINS.match(text)) and len(short[1].split()) <= 3:
        text = short[1]
    found = (_term(part) for part in _parts(_untitled(text)))
    terms: dict[str, str] = {}
    for term in found:
        if term:
            terms.setdefault(key(term), term)
    return tuple(terms.values())


def _untitled(text: str) -> str:
    """Without bullets, numbers and titles: of "pet: dog" the dog, of "- dog: it barks" the dog."""
    rows: list[str] = []
    for row in _INLINE.sub("\n", text).split("\n"):
        if _RULE.fullmatch(row):
            rows = rows[:-1]  # what stands over a table's columns
            continue
        bare = _BULLET.sub("", row)
        title = _TITLE.match(bare)
        if title and bare != row and len(bare[title.end() :].split()) > 2:
            bare = title[1]
        elif title and not re.match(r"(?:no|none|yes|false|true)\b", bare[title.end() :]):
            bare = bare[title.end() :]
        if not bare.rstrip().endswith(":"):
            rows.append(bare)
    return "\n".join(rows)


def _parts(text: str) -> list[str]:
    """What is affirmed, split where one term ends; names that hold an "and" stay whole."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0].replace(",", ""))
        return f" \ue000{chr(0xE100 + len(kept) - 1)} "

    text = phrase("phrases").sub(keep, text) if len(text) < 2000 else text
    parts = [part for said in affirmed(text) for piece in _JOINED.split(said) for part in _SPLIT.split(piece)]
    return [re.sub("\ue000([\ue100-\uf8ff])", lambda found: kept[ord(found[1]) - 0xE100], part) for part in parts]


def _term(part: str) -> str:
    part = _shortened(" ".join(_unrepeated(_bare(part).split())))
    words = part.split()
    most = MOST_SIGNS if unspaced(part) else MOST_LETTERS
    if not words or len(words) > MOST_WORDS or any(len(word) > most for word in words):
        return ""
    return "" if _says_nothing(part) else part


def _bare(part: str) -> str:
    """Without what leads up to it and what follows: "it looks like a dog in the image" is "dog"."""
    part = _plain(part)
    if _leads().sub("", f"{part} .") == ".":
        return ""
    while (shorter := _plain(_tails().sub("", _leads().sub("", part, count=1)))) != part and shorter:
        part = shorter
    return part


def _plain(part: str) -> str:
    words = (word.strip("'-") if word[0] == "'" else word.strip("-") for word in _lettered(part, "'-&").split())
    return " ".join(filter(None, words)).strip("&'- \u200c\u200d")


def _lettered(text: str, others: str) -> str:
    """The text with a blank for every sign that is no letter or digit, no mark on one, and none of `others`."""
    kept = ""
    for sign in text:
        whole = sign.isalnum() or sign in others or (mark(sign) and kept[-1:].strip())
        kept += sign if whole else " "
    return kept


def _shortened(part: str) -> str:
    """A description of more than six words, up to where it still has six."""
    while len(part.split()) > MOST_WORDS and (cuts := list(_CUT.finditer(part))):
        part = part[: cuts[-1].start()]
    return part


def _unrepeated(words: list[str]) -> list[str]:
    """The shortest beginning of which all is a repetition: "dog dog dog" is "dog"."""
    for length in range(1, len(words)):
        if all(word == words[index % length] for index, word in enumerate(words)):
            return words[:length]
    return words


def _says_nothing(part: str) -> bool:
    signs = set(part) - set(" '-")
    if not any(sign.isalpha() for sign in signs) or _NUMBER.fullmatch(part):
        return True
    if len(part) > 3 and len(signs) < 2 or re.search(r"(.)\1{4}", part):
        return True
    if len(part) < 2 and not (unspaced(part) or ord(part) > 0x2E80):
        return True
    nothing = _nothing()
    return _ARTICLE.sub("", part) in nothing or all(word in nothing or word.isdigit() for word in part.split())


@cache
def _nothing() -> frozenset[str]:
    return frozenset(map(spelled, lines("nothing")))


def terms(raw: Iterable[str], prompt: str, suffix: str = "", negate_prompt: bool = False) -> tuple[str, ...]:
    """The terms of several answers, once each, with the suffix (wood: "wood building"), less what the prompt asks for."""
    found: dict[str, str] = {}
    for term in (term for answer in raw for term in clean(answer)):
        found.setdefault(key(term), term)
    wanted = [term for term in found.values() if negate_prompt or not asked_for(term, prompt)]
    return tuple(dict.fromkeys(_suffixed(term, suffix) for term in wanted))


def weighted(term: str, weight: float) -> str:
    """The term as a prompt writes its emphasis."""
    return term if weight == 1 else f"({term}:{round(weight, 3):g})"


def _suffixed(term: str, suffix: str) -> str:
    suffix = _plain(spelled(suffix.replace("_", " ")))
    return term if not suffix or key(term).split()[-1:] == key(suffix).split()[-1:] else f"{term} {suffix}"
