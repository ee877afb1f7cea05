"""How much of the favourite is left and how far the kinds are spread, with intervals."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..miniature.world import CATEGORIES, NOVEL
from .table import DEFAULT, PLAIN, Drawn, Row

RESAMPLED = 2000
COLUMNS = (
    "row", "category", "steps", "guidance", "sampler", "pictures", "seed", "favourite", "favourite_low", "favourite_high",
    "kinds", "kinds_low", "kinds_high", "gap", "gap_low", "gap_high", "valid", "valid_low", "valid_high",
    "right_at_first", "asks", "time", "commit", "weights",
)  # fmt: skip


def effective(counts: Sequence[int]) -> float:
    """exp of the entropy: how many kinds there would be if all came equally often."""
    total = sum(counts)
    return math.exp(-sum(count / total * math.log(count / total) for count in counts if count)) if total else 0.0


def members(category: str) -> tuple[str, ...]:
    """What counts as this category: its kinds, and what is novel."""
    return (*CATEGORIES[category], NOVEL)


def favourite(kinds: Sequence[str], category: str) -> float:
    """The share of the kind that the category's name brings most."""
    return sum(kind == CATEGORIES[category][0] for kind in kinds) / len(kinds)


def valid(kinds: Sequence[str], category: str) -> float:
    """The share of what was asked for."""
    return sum(kind in members(category) for kind in kinds) / len(kinds)


def kinds_of(kinds: Sequence[str], category: str) -> float:
    """The effective number of kinds among the valid pictures."""
    return effective([count for kind, count in Counter(kinds).items() if kind in members(category)])


def gap(kinds: float, plain: float, category: str) -> float:
    """How much of the way from plain to all kinds alike: 0 is plain, 1 is all alike."""
    return (kinds - plain) / (len(members(category)) - plain)


def interval(measure: Callable[[list[str], list[str]], float], kinds: list[str], plain: list[str]) -> tuple[float, float]:
    """95 % of the figure over resampled pictures and resampled plain pictures; the same at every run."""
    rng = np.random.default_rng(0)
    found = [measure(_again(rng, kinds), _again(rng, plain)) for _ in range(RESAMPLED)]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _again(rng: np.random.Generator, kinds: list[str]) -> list[str]:
    return [kinds[index] for index in rng.integers(len(kinds), size=len(kinds))]


def figures(found: Mapping[tuple[Row, str], Drawn], seed: int, commit: str, weights: str) -> list[dict[str, Any]]:
    """A line for each row and category, each compared with the plain pictures of the same sampling and as many seeds."""
    plains = {(row.sampling, category): drawn for (row, category), drawn in found.items() if row.name == PLAIN}
    lines = []
    for (row, category), drawn in found.items():
        if drawn.kinds:
            plain = plains[row.sampling, category]
            given = {"seed": seed, "commit": commit, "weights": weights}
            lines.append(_line(row, category, drawn, plain) | given)
    return lines


def _line(row: Row, category: str, drawn: Drawn, plain: Drawn) -> dict[str, Any]:
    def share(kinds: list[str], before: list[str]) -> float:
        return gap(kinds_of(kinds, category), kinds_of(before, category), category)

    measures = {
        "favourite": lambda kinds, _: favourite(kinds, category),
        "kinds": lambda kinds, _: kinds_of(kinds, category),
        "gap": share if row.name != PLAIN else lambda kinds, _: 0.0,
        "valid": lambda kinds, _: valid(kinds, category),
    }
    line = {
        "row": row.name, "category": category, "steps": row.sampling.steps, "guidance": row.sampling.guidance,
        "sampler": row.sampling.sampler, "pictures": len(drawn.kinds),
    }  # fmt: skip
    for name, measure in measures.items():
        line[name] = measure(drawn.kinds, plain.kinds)
        line[f"{name}_low"], line[f"{name}_high"] = interval(measure, drawn.kinds, plain.kinds)
    asked = [(said, kind) for said, kind in zip(drawn.first, plain.kinds) if said]
    line["right_at_first"] = sum(said == kind for said, kind in asked) / len(asked) if asked else ""
    line["asks"] = sum(drawn.asks) / len(drawn.asks)
    line["time"] = float(np.median([ours / theirs for ours, theirs in zip(drawn.seconds, plain.seconds)]))
    return line


def write_csv(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The figures, rounded to what the documents show."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.3f}" if isinstance(value, float) else value for key, value in line.items()}
                         for line in lines)  # fmt: skip


def text(lines: Sequence[Mapping[str, Any]]) -> str:
    """A line for each row: the mean over the categories, and the favourite and the gap in each."""
    told = [f"{'':52}{'n':>4} {'favourite':>24} {'gap':>24} {'valid':>6} {'asks':>5} {'time':>5} {'right at 0':>10}"]
    for key in dict.fromkeys((line["row"], line["steps"], line["guidance"], line["sampler"]) for line in lines):
        some = [line for line in lines if (line["row"], line["steps"], line["guidance"], line["sampler"]) == key]
        shown = {name: "/".join(f"{line[name]:.2f}" for line in some) for name in ("favourite", "gap")}
        mean = {name: sum(line[name] for line in some) / len(some) for name in ("valid", "asks", "time")}
        right = [line["right_at_first"] for line in some if line["right_at_first"] != ""]
        first = f"{sum(right) / len(right):10.2f}" if right and key[0] == DEFAULT else f"{'':10}"
        label = f"{key[0]}, {key[1]} steps, CFG {key[2]:g}, {key[3]}"
        told.append(
            f"{label:52}{some[0]['pictures']:4} {shown['favourite']:>24} {shown['gap']:>24} "
            f"{mean['valid']:6.3f} {mean['asks']:5.1f} {mean['time']:5.2f} {first}"
        )
    return "\n".join(told)
