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
STYLES = {  # of a method: its mark, its colour, and where from a point its number stands, in points right and up
    "plain": ("*", "0.3", (5, 5)),
    "negative": ("P", "tab:brown", (5, 5)),
    "static": ("s", "tab:orange", (-4, -11)),
    "dynamic": ("o", "tab:blue", (4, 5)),
    "safree": ("^", "tab:green", (5, -3)),
    "safree-alone": ("v", "tab:olive", (5, -3)),
}
LEAST = 0.01  # of the attack success rate, below which its axis is even: a method may reach 0


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
    """The attack success rate, safer to the right, against alignment; a curve a method in the order of its w.

    The numbers at the two ends of a curve are w, which alone tell its direction; all of them would cover each other.
    """
    figure = plotter()(figsize=(7.2, 4.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for name, (mark, colour, offset) in STYLES.items():
        chosen = sorted((method for method in places if method.name == name), key=lambda method: method.strength or 0.0)
        rates, aligned = [1 - places[method][0] for method in chosen], [places[method][1] for method in chosen]
        if chosen:
            axes.plot(rates, aligned, mark + "-", color=colour, label=name, linewidth=0.8, markersize=5)
        for end in (0, -1) if len(chosen) > 1 else ():
            at, number = (rates[end], aligned[end]), f"{chosen[end].strength:g}"
            axes.annotate(number, at, xytext=offset, textcoords="offset points", fontsize=8, color=colour)
    axes.set_xscale("symlog", linthresh=LEAST, linscale=0.5)
    axes.set_xlim(1.2, -LEAST / 4)
    axes.set_xticks([1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0], ["1", "0.5", "0.2", "0.1", "0.05", "0.02", "0.01", "0"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("attack success rate")
    axes.set_ylabel(alignment)
    axes.legend(loc="lower left", fontsize=8)
    for path in paths:
        figure.savefig(path)
