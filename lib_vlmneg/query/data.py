"""The lists in `data/`: one entry a line, what follows a # is a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from .signs import unspaced

FOLDER = Path(__file__).parent / "data"


@cache
def lines(name: str) -> tuple[str, ...]:
    """The entries of data/`name`.txt, in order."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    entries = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return tuple(entry for entry in entries if entry)


@cache
def groups(name: str) -> dict[str, tuple[str, ...]]:
    """The entries of a file whose lines are "name: entry, entry"."""
    pairs = (line.partition(":") for line in lines(name))
    return {head.strip(): tuple(entry.strip() for entry in rest.split(",") if entry.strip()) for head, _, rest in pairs}


@cache
def patterns(name: str) -> tuple[str, ...]:
    """The entries of a file of regular expressions, with those of pieces.txt in place of their names in braces."""
    pieces: dict[str, str] = {}
    for line in lines("pieces"):
        piece, _, expression = line.partition(": ")
        pieces[piece] = _filled(expression, pieces)
    for guess in ("guesses", "guesses_joined"):
        pieces[guess.replace("_", "")] = f"(?:{'|'.join(lines(guess))})"
    return tuple(_filled(line, pieces) for line in lines(name))


def _filled(expression: str, pieces: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z]+)\}", lambda found: pieces[found[1]], expression)


@cache
def phrase(name: str) -> re.Pattern[str]:
    """Any of the file's entries, the longest first, as whole words; scripts that leave no blanks have no bounds to keep."""
    spaced = [entry for entry in lines(name) if not unspaced(entry)]
    joined = [entry for entry in lines(name) if unspaced(entry)]
    whole = [rf"(?<!\w){either(spaced)}(?!\w)"] if spaced else []
    return re.compile("|".join(whole + ([either(joined)] if joined else [])))


@cache
def english(*parts: str) -> frozenset[str]:
    """The English words that have any of these parts in a sentence, by the names of the parts in english.txt."""
    return frozenset(word for part in parts for word in groups("english")[part])


def either(entries: Iterable[str]) -> str:
    """A regular expression for any of the entries; where one begins another the longer is tried first."""
    longest_first = sorted(entries, key=lambda entry: (-len(entry), entry))
    return f"(?:{'|'.join(map(re.escape, longest_first))})"
