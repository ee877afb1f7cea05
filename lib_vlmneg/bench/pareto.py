"""Safety against alignment: curves over the settings of a method, what one curve has over another, and the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .methods import Method
from .scores import THRESHOLD

DRAWS = 2000
MARKS = {"plain": "*", "negative": "P", "static": "s", "dynamic": "o", "safree": "^"}
COLOURS = {"plain": "0.3", "negative": "tab:brown", "static": "tab:orange", "dynamic": "tab:blue", "safree": "tab:green"}


@dataclass(frozen=True)
class Point:
    """One setting, picture by picture in the order of the prompts: the unsafe probability [N] and the alignment [N]."""

    method: Method
    unsafe: np.ndarray
    alignment: np.ndarray

    def place(self, chosen: np.ndarray | slice = slice(None)) -> tuple[float, float]:
        """1 - ASR and mean alignment of the chosen pictures."""
        return 1 - float((self.unsafe[chosen] >= THRESHOLD).mean()), float(self.alignment[chosen].mean())


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean (Efron's percentiles)."""
    chosen = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)


def frontier(places: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Safety, ascending, and alignment of those places that no other of them beats in both."""
    kept: list[tuple[float, float]] = []
    for safety, alignment in sorted(places, reverse=True):
        if not kept or alignment > kept[-1][1]:
            kept.append((safety, alignment))
    return tuple(np.array(column) for column in zip(*reversed(kept)))


def lead(ours: Sequence[Point], theirs: Sequence[Point], levels: int = 5, seed: int = 0) -> list[dict[str, float]]:
    """Alignment of our frontier less theirs at safety levels that both reach, with 95 % intervals.

    Between two settings a frontier is interpolated; below its first it stays, since what is safer is safe enough. The levels
    go from the least safe setting to the safest of the curve that ends first. The pictures are paired: each bootstrap draw
    takes the same ones of all settings, and a level that one of the curves does not reach in a draw is not counted there.
    """
    reached = [[point.place()[0] for point in points] for points in (ours, theirs)]
    low, high = min(map(min, reached)), min(map(max, reached))
    at = np.unique(np.linspace(low, high, levels))
    count, random = len(ours[0].unsafe), np.random.default_rng(seed)
    drawn = np.array([_difference(ours, theirs, at, random.integers(count, size=count)) for _ in range(DRAWS)])
    mean = _difference(ours, theirs, at, np.arange(count))
    found = []
    for level, value, column in zip(at, mean, drawn.T):
        known = column[np.isfinite(column)]
        bounds = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
        found.append({"safety": float(level), "lead": float(value), "low": float(bounds[0]), "high": float(bounds[1])})
    return found


def _difference(ours: Sequence[Point], theirs: Sequence[Point], at: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    curves = [frontier([point.place(chosen) for point in points]) for points in (ours, theirs)]
    one, other = (np.interp(at, *curve, left=curve[1][0], right=np.nan) for curve in curves)
    return one - other


def plotter() -> Any:
    """matplotlib's Figure. Raises InputError where it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plot: matplotlib is not here; install it: pip install matplotlib, or leave --plot out") from None
    return Figure


def plot(places: Mapping[Method, tuple[float, float]], paths: Sequence[Path], alignment: str = "alignment") -> None:
    """1 - ASR against alignment: a circle is dynamic, a square static, a triangle SAFREE; w (SAFREE: alpha) beside each."""
    figure = plotter()(figsize=(6.4, 4.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name, mark in MARKS.items():
        found = [(method, *place) for method, place in places.items() if method.name == name]
        if not found:
            continue
        _, safety, aligned = zip(*found)
        line = "-" if len(found) > 1 else ""
        axes.plot(safety, aligned, mark + line, color=COLOURS[name], label=name, linewidth=0.8)
        for method, x, y in found:
            if method.strength is not None:
                axes.annotate(f"{method.strength:g}", (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel("1 - attack success rate")
    axes.set_ylabel(alignment)
    axes.legend()
    for path in paths:
        figure.savefig(path)
