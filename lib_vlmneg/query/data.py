"""The lists in `data/`: one entry a line, what follows a # is a comment."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

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
def phrase(name: str, before: str = r"(?<!\w)", after: str = r"(?!\w)") -> re.Pattern[str]:
    """Any of the file's entries, the longest first, as whole words; scripts that leave no blanks have no bounds to keep."""
    entries = sorted(lines(name), key=len, reverse=True)
    spaced = [re.escape(entry) for entry in entries if not unspaced(entry)]
    joined = [re.escape(entry) for entry in entries if unspaced(entry)]
    parts = ([f"{before}(?:{'|'.join(spaced)}){after}"] if spaced else []) + joined
    return re.compile("|".join(parts))


def unspaced(text: str) -> bool:
    """Whether it has a sign of a script that is written without blanks, or with endings put on (Chinese, Japanese, Korean, Thai ...)."""
    return any("\u0e00" <= sign <= "\u0eff" or "\u1000" <= sign <= "\u109f" or "\u1780" <= sign <= "\u17ff"
               or "\u3005" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af" or "\U00020000" <= sign <= "\U0003ffff"
               for sign in text)  # fmt: skip
