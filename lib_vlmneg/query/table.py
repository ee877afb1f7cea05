"""Tables as lists: of each row what it is about, without the names of the columns and what else is told of it."""

from __future__ import annotations

import re

from .data import english

_RULE = re.compile(r"\s*\|?(?:\s*:?-{2,}:?\s*(?:\||\+|$))+\s*")
_YES = re.compile(r"(?:yes|y|true|present|visible|detected|found|\u2705|\u2713|\u2714)\ufe0f?", re.IGNORECASE)
_NO = re.compile(r"(?:no|n|none|false|absent|not \w+|missing|\u274c|\u2717|\u2718)\ufe0f?", re.IGNORECASE)
_FEWEST = 2  # rows


def untabled(text: str) -> str:
    """The text with each of its tables as a list of things, one a row."""
    rows = text.split("\n")
    kept: list[str] = []
    block: list[str] = []
    for row in [*rows, ""]:
        if "|" in row or (block and _RULE.fullmatch(row)):
            block.append(row)
            continue
        kept += [*_things(block), row]
        block = []
    kept.pop()
    return _comma_separated("\n".join(kept))


def _comma_separated(text: str) -> str:
    rows = [row for row in text.split("\n") if row.strip()]
    if len(rows) < _FEWEST or "," not in rows[0] or not _names_columns(rows[0].split(",")):
        return text
    return "\n".join(_things([row.replace(",", "|") for row in rows]))


def _things(block: list[str]) -> list[str]:
    """The rows of a table as things; what is no table stays as it is."""
    rule = next((index for index, row in enumerate(block) if _RULE.fullmatch(row)), None)
    table = [_cells(row) for row in block if not _RULE.fullmatch(row)]
    if len(table) < _FEWEST or (rule != 1 and not _names_columns(table[0])):
        return block if rule is None or len(table) < _FEWEST else [" | ".join(row) for row in table]
    head, body = table[0], table[1:]
    asides = {index for index, cell in enumerate(head) if _bare(cell) in ("", *english("columns_aside"))}
    asides = asides if len(asides) < len(head) else set()
    return [thing for row in body for thing in _row(row, asides)]


def _row(cells: list[str], asides: set[int]) -> list[str]:
    if any(_NO.fullmatch(cell) for cell in cells[1:]):
        return []
    return [cell for index, cell in enumerate(cells) if index not in asides and not _YES.fullmatch(cell)]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.sub(r"^\s*\||\|\s*$", "", row).split("|")]


def _names_columns(cells: list[str]) -> bool:
    bare = [_bare(cell) for cell in cells]
    return len(bare) > 1 and all(name in ("", *english("columns", "columns_aside")) for name in bare)


def _bare(cell: str) -> str:
    return re.sub(r"[^a-z. ]", "", cell.lower().replace("_", " ")).strip()
