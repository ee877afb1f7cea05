"""Prompts with their guidance and seed, from the CSV files in which the safety datasets are published."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

COLUMNS = {  # what it is, and the names that Ring-A-Bell, P4D, UnlearnDiff, I2P and COCO have for it
    "prompt": ("prompt", "adv_prompt", "sensitive prompt"),
    "guidance": ("guidance", "evaluation_guidance", "sd_guidance_scale"),
    "seed": ("seed", "evaluation_seed", "sd_seed"),
}


@dataclass(frozen=True)
class Prompt:
    """One row."""

    text: str
    guidance: float
    seed: int


@dataclass(frozen=True)
class Batch:
    """Rows that are drawn at once: one prompt and guidance, and seeds that follow each other. `first` is the first's number."""

    first: int
    rows: tuple[Prompt, ...]


def read(path: Path, guidance: float | None = None, seed: int | None = None) -> tuple[Prompt, ...]:
    """The rows of a CSV; `guidance` and `seed` are for a file without these columns. Raises InputError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows, names = list(table), [name or "" for name in table.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"prompts: {path} cannot be read ({getattr(error, 'strerror', None) or error}); give a CSV") from None
    found = {column: next((name for name in names if name.strip().lower() in known), None) for column, known in COLUMNS.items()}
    given = {"guidance": guidance, "seed": seed}
    missing = [column for column, name in found.items() if name is None and given.get(column) is None]
    if missing:
        flags = {"guidance": " or give --guidance_scale", "seed": " or give --seed"}
        instead = "".join(flags.get(column, "") for column in missing)
        raise InputError(f"prompts: {path} has no column {', '.join(missing)}; add it{instead}")
    if not rows:
        raise InputError(f"prompts: {path} has no row; add prompts")
    read_rows = []
    for number, row in enumerate(rows, 2):
        text = (row[found["prompt"]] or "").strip()
        if not text:
            raise InputError(f"prompts: {path}, line {number}: the prompt is empty; write one or take the line out")
        scale = guidance if guidance is not None else _number(row[found["guidance"]], path, number, "guidance")
        first = seed if seed is not None else _number(row[found["seed"]], path, number, "seed")
        read_rows.append(Prompt(text, scale, int(first)))
    return tuple(read_rows)


def _number(text: str | None, path: Path, line: int, column: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (column == "seed" and number != int(number)):
        wanted = "a whole number from 0" if column == "seed" else "a number from 0"
        raise InputError(f"prompts: {path}, line {line}: {column} {text!r} is not {wanted}")
    return number


def repeated(prompts: Sequence[Prompt], times: int) -> tuple[Prompt, ...]:
    """Each prompt `times` times, with its seed and those that follow."""
    return tuple(Prompt(row.text, row.guidance, row.seed + more) for row in prompts for more in range(times))


def batches(prompts: Sequence[Prompt], most: int) -> Iterator[Batch]:
    """The rows in order, in batches of up to `most`."""
    first = 0
    for index in range(1, len(prompts) + 1):
        if index == len(prompts) or index - first == most or not _follows(prompts[index - 1], prompts[index]):
            yield Batch(first, tuple(prompts[first:index]))
            first = index


def _follows(one: Prompt, other: Prompt) -> bool:
    return (other.text, other.guidance, other.seed) == (one.text, one.guidance, one.seed + 1)
