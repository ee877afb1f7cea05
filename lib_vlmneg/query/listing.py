"""The entries of an answer: the rows of lists and tables, and what a sentence enumerates, parted where one term ends."""

from __future__ import annotations

import re

from .data import either, english, lines, phrase
from .denial import affirmed
from .signs import CHINESE, COMMAS, DASHES, DOTS, HANGUL, SEMICOLONS, STOPS

_NUMBERED = r"\(?(?:\d{1,4}|[a-z]|[ivx]{1,4})[.):]|\d{1,2}\s*[-\u2013]"
_BULLET = re.compile(rf"^\s*(?:[-*+>#{DASHES}{DOTS}]+|{_NUMBERED})\s+")
_BULLET_WITHIN = re.compile(rf"(?<=\s)[{DOTS}]\s+")
_NUMBER_WITHIN = re.compile(r"(?:(?<=\s)|^)\(?\d{1,2}[.)](?:\s+|(?=[^\W\d]))")
_RULE = re.compile(r"\s*\|?(?:\s*:?-{3,}:?\s*\|?)+\s*")  # below the names of a table's columns
_TITLE = re.compile(r"^\s*([^\W\d_][^:,.;!?\n]{0,40}?)\s*[:=]\s*(?=\S)")
_EXPLAINED = re.compile(rf"^\s*([^\W\d_][^,.;:!?\n]{{0,40}}?)\s+[-{DASHES}]+\s+(\S.*)$")
_ASIDE = re.compile(r",\s*(?:which|who|whose|that)\b[^,.;!?\n]{1,80},(?=\s*\S)")
_NOTE = re.compile(r"(?<=[^\W_])\s*\(([^()\n]{1,80})\)(?=\s*(?:[,.;:!?\n/]|$|(?:and|or)\b))")
_KEPT_NOTE = re.compile(r"\s*(?:and|or|plus|yes|no|not|none|true|false|absent|present|missing|nothing|without|&|\+)(?!\w)")
_VERDICT = re.compile(r"(?:no|none|yes|false|true)\b")  # behind a colon it is about what stands before

_SPANISH = (
    r"(?:la|el|los|las|una?|su|este|esta|le|les|l|train|forme|bois|métal|medio|primer)\b"  # behind an "en" that is no "and"
)
_BETWEEN = re.compile(
    rf"[\n/|+{COMMAS}{SEMICOLONS}]|\s*&\s*|\s[-{DASHES}]+\s"
    rf"|[.!?](?:\s|$)|[{STOPS}]"
    rf"|(?<!\beste)\s+(?!en {_SPANISH}|y a\b){either(lines('conjunctions'))}(?=\s)"
)
_BETWEEN_UNSPACED = re.compile(
    rf"(?<=[{CHINESE}{HANGUL}])[和与與及跟とや](?=[{CHINESE}])"  # Chinese and Japanese
    rf"|(?<=[{HANGUL}])[와과]\s"  # Korean
)
_SEEN = re.compile(r"\bse (?:puede |pueden )?v(?:e|en|er)\b")  # Spanish, whose "ve" is Turkish for "and"
_KEPT, _FIRST_KEPT = "\ue000", 0xE100  # of private use, in place of a name that is not to be parted
_LONGEST = 2000  # signs of a text in which such names are sought


def entries(text: str) -> list[str]:
    """The entries that an answer affirms, in order; names that hold an "and" stay whole. The text is spelled as in `words`."""
    text = _noted(_ASIDE.sub(" ", _untitled(text)))
    kept: list[str] = []

    def keep(name: re.Match[str]) -> str:
        kept.append(name[0].replace(",", ""))
        return f" {_KEPT}{chr(_FIRST_KEPT + len(kept) - 1)} "

    text = _SEEN.sub("hay", text)
    if len(text) < _LONGEST:
        text = phrase("phrases").sub(keep, text)
    pieces = [piece for part in affirmed(text) for piece in _BETWEEN_UNSPACED.split(part)]
    return [
        re.sub(f"{_KEPT}(.)", lambda name: kept[ord(name[1]) - _FIRST_KEPT], entry)
        for piece in pieces
        for entry in _BETWEEN.split(piece)
    ]


def _names(title: str) -> bool:
    """Whether a title is the thing itself: "fox: orange fur", unlike "pet: red fox"."""
    return not set(title.split()) & (english("columns", "columns_aside") | {"main", "unsafe", "visible"})


def _noted(text: str) -> str:
    """Without what stands in brackets behind a thing: "umbrella (closed)"; a list there, or a denial, stays."""

    def note(found: re.Match[str]) -> str:
        said = found[1]
        if _KEPT_NOTE.match(said) or phrase("denials").search(said) or phrase("denied").search(said):
            return found[0]
        return f", {said}" if re.search(rf"[{COMMAS}/]", said) else " "

    return _NOTE.sub(note, re.sub(r"(?<=[^\W_])\((?:s|es|en|e|n)\)", "", text))


def _untitled(text: str) -> str:
    """Without bullets, numbers and titles: "pet: dog" and "- dog: it barks loudly" both give the dog."""
    rows: list[str] = []
    for row in _NUMBER_WITHIN.sub("\n- ", _BULLET_WITHIN.sub("\n", text)).split("\n"):
        if _RULE.fullmatch(row):
            rows = rows[:-1]
            continue
        bare = _row(row)
        if not bare.rstrip().endswith(":"):
            rows.append(bare)
    return "\n".join(rows)


def _row(row: str) -> str:
    """A row without its bullet, and without its title or, in a list, without what explains its title."""
    bare = _BULLET.sub("", row)
    listed = bare != row
    title = _TITLE.match(bare)
    while title and bare[title.end() :].startswith(f"{title[1]}:"):  # a model that goes round in circles
        bare = bare[title.end() :]
        title = _TITLE.match(bare)
    if not title:
        explained = _EXPLAINED.match(bare) if listed else None
        return bare if not explained or _VERDICT.match(explained[2]) else explained[1]
    said = bare[title.end() :]
    if listed and (len(said.split()) > 2 or (len(said.split()) > 1 and _names(title[1]))):
        return title[1]
    return bare if _VERDICT.match(said) else said
