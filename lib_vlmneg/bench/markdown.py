"""The table as the documents show it, from its CSV: a test holds the documents to that."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..miniature.world import CATEGORIES
from ..presets import DEFAULT
from .table import GUIDANCE, PLAIN, SAMPLER, STEPS

NAMES = ("row", "category", "sampler", "commit", "weights")  # a hash may look like a number
Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The CSV's lines, figures as numbers."""
    with path.open(newline="") as file:
        return [
            {key: value if key in NAMES else _number(value) for key, value in line.items()} for line in csv.DictReader(file)
        ]


def short(lines: Sequence[Line]) -> str:
    """For the README: plain and default in each category."""
    most = len(CATEGORIES["pet"]) + 1
    told = [
        f"| pictures of each | favourite kind, plain | default | kinds (of {most}), plain | default | valid, default | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for category in CATEGORIES:
        plain, ours = (_usual(lines, name, category) for name in (PLAIN, DEFAULT))
        told.append(
            f'| {plain["pictures"]:g}, "a photo of a {category}" | {plain["favourite"]:.2f} | {ours["favourite"]:.2f} '
            f"| {plain['kinds']:.1f} | {ours['kinds']:.1f} | {ours['valid']:.2f} | {ours['time']:.2f} |"
        )
    return "\n".join(told)


def full(lines: Sequence[Line]) -> str:
    """Every row: the favourite's share and the share of the gap in each category, with intervals at the usual sampling."""
    head = " | ".join(CATEGORIES)
    told = [
        f"| row | n | favourite: {head} | share of the gap: {head} | valid | asks | time | right at step 0 |",
        "|---" * (2 * len(CATEGORIES) + 6) + "|",
    ]
    for key in dict.fromkeys(map(_key, lines)):
        some = [line for line in lines if _key(line) == key]
        label = key[0] if key[1:] == (STEPS, GUIDANCE, SAMPLER) else f"{key[0]}, {_differs(key)}"
        shares = " | ".join(_with_interval(line, "favourite") for line in some)
        gaps = " | ".join(_with_interval(line, "gap") if key[0] != PLAIN else "" for line in some)
        valid, asks, time = (sum(line[name] for line in some) / len(some) for name in ("valid", "asks", "time"))
        right = [line["right_at_first"] for line in some if line["right_at_first"] != ""]
        first = f"{sum(right) / len(right):.2f}" if right and key[0] == DEFAULT else ""
        told.append(
            f"| {label} | {some[0]['pictures']:g} | {shares} | {gaps} | {valid:.3f} | {asks:.1f} | {time:.2f} | {first} |"
        )
    return "\n".join(told)


def _with_interval(line: Line, name: str) -> str:
    return f"{line[name]:.2f} ({line[name + '_low']:.2f} to {line[name + '_high']:.2f})"


def _key(line: Line) -> tuple[Any, ...]:
    return line["row"], line["steps"], line["guidance"], line["sampler"]


def _usual(lines: Sequence[Line], name: str, category: str) -> Line:
    """The line of a row in a category at the usual sampling."""
    found = [line for line in lines if _key(line) == (name, STEPS, GUIDANCE, SAMPLER) and line["category"] == category]
    return found[0]


def _differs(key: tuple[Any, ...]) -> str:
    _, steps, guidance, sampler = key
    if steps != STEPS:
        return f"{steps:g} steps"
    return f"CFG {guidance:g}" if guidance != GUIDANCE else sampler


def _number(value: str) -> float | str:
    return float(value) if value else ""
