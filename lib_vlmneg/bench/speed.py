"""What the guide costs: the same picture plain, by the default, and looked at as the papers' public loop does, in one run.

The three are drawn in turn, one picture at a time, so that the ratios hold on a machine that has other things to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from ..oracles.base import Answer, Oracle
from ..presets import DEFAULT, PAPER, preset
from ..record import Record
from ..settings import Settings
from . import micro
from .intervals import median_with_interval
from .onebyone import Ask, one_by_one

PARTS = ("decode", "ask", "encode")
PLAIN, PUBLIC = "plain", "public loop"
MODELS = ("miniature", "sd15")


class OneByOne(Oracle):
    """One question about one picture at a time, in single precision, as the public code of Golan et al. 2025 asks."""

    scored = False

    def __init__(self, name: str, ask: Ask, input_side: int):
        self.name, self._ask, self.input_side = name, ask, input_side

    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Any = None) -> list:
        """As the base; always one answer."""
        return [[[Answer(self._ask(image, question))] for question in questions] for image in images]


@dataclass(frozen=True)
class Stage:
    """What is timed: a pipeline, its fast decoder if it has one, an oracle, and the folder that the oracle is from."""

    pipe: Any
    tiny: Any | None
    oracle: Oracle
    folder: str


def measure(prompt: str, pairs: int, steps: int = 28, guidance_scale: float = 4.5, model: str = "miniature") -> dict[str, Any]:
    """Median seconds a picture over `pairs` rounds after one that is not counted, ratios with intervals, where time goes."""
    from ..hosts.diffusers import Request

    with TemporaryDirectory() as folder:
        stage = _miniature() if model == "miniature" else _sd15(Path(folder))
        ways = _ways(stage)
        records: dict[str, list[Record]] = {name: [] for name in ways}
        for seed in range(pairs + 1):
            request = Request(prompt, model=model, seed=seed, steps=steps, guidance_scale=guidance_scale)
            for name, way in ways.items():
                record = way(request)
                if record.failure:
                    raise RuntimeError(f"{name}: {record.failure}")
                records[name].append(record)
    seconds = {name: np.array([record.generation["seconds"] for record in found[1:]]) for name, found in records.items()}
    rows = {name: _row(seconds[name], seconds[PLAIN], records[name][1:]) for name in ways}
    over = {name: median(seconds[name] - seconds[PLAIN]) for name in (DEFAULT, PUBLIC)}
    return {"model": model, "pairs": pairs, "steps": steps, "rows": rows, "overhead": over[DEFAULT] / over[PUBLIC]}


def measure_micro(rounds: int, steps: int, model: str = "miniature") -> dict[str, Any]:
    """What each push costs a step beside the host's own, see micro.measure."""
    from ..hosts.diffusers import Request

    with TemporaryDirectory() as folder:
        stage = _miniature() if model == "miniature" else _sd15(Path(folder))
        return micro.measure(stage.pipe, Request("a photo of a pet", model=model, steps=steps), rounds)


def _ways(stage: Stage) -> dict[str, Callable[[Any], Record]]:
    """What draws a request, by name."""
    from ..hosts.diffusers import draw

    pipe, tiny, oracle = stage.pipe, stage.tiny, stage.oracle
    single = OneByOne(oracle.name, one_by_one(stage.folder, oracle.device), oracle.input_side)
    paper = replace(preset(PAPER), decode="full")

    def encoded_again(event: Any, _: Any) -> None:
        pipe.encode_prompt(event.negative, pipe.device, 1, False)

    return {
        PLAIN: lambda request: draw(pipe, request, Settings())[1],
        DEFAULT: lambda request: draw(pipe, request, preset(DEFAULT), oracle, tiny)[1],
        PUBLIC: lambda request: draw(pipe, request, paper, single, watch=encoded_again)[1],
    }


def _row(seconds: np.ndarray, plain: np.ndarray, records: Sequence[Record]) -> dict[str, Any]:
    middle, low, high = median_with_interval(seconds / plain)
    parts = {part: median(sum(getattr(timing, part) for timing in record.timings) for record in records) for part in PARTS}
    asks = median(len(record.events) for record in records)
    ratio = {"ratio": middle, "low": low, "high": high}
    return {"seconds": float(np.median(seconds)), **ratio, "asks": asks, **parts}


def _miniature() -> Stage:
    from ..hosts.diffusers import load_oracle, load_pipeline
    from ..hosts.diffusers.load import folder_of

    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    return Stage(pipe, tiny, load_oracle("miniature"), folder_of("miniature"))


def _sd15(folder: Path) -> Stage:
    """A pipeline and a ViLT of real size with random weights: their time is real, their pictures and answers mean nothing."""
    from ..devices import best_device
    from ..hosts.diffusers import load_oracle
    from ..hosts.diffusers.sizes import sd15_pipeline, vilt_base

    pipe = sd15_pipeline(best_device("auto"))
    pipe.set_progress_bar_config(disable=True)
    vilt_base(folder)
    return Stage(pipe, None, load_oracle(str(folder)), str(folder))


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = ["{model}, {steps} steps, {pairs} rounds after one that is not counted; medians".format(**figures)]
    for name, row in figures["rows"].items():
        where = ", ".join(f"{part} {row[part]:.2f} s" for part in PARTS) if row["asks"] else ""
        ratio = f"ratio {row['ratio']:.3f} (95 % {row['low']:.3f} to {row['high']:.3f})"
        lines.append(f"{name:12} {row['seconds']:7.2f} s, {ratio}, {row['asks']:.0f} asks {where}".rstrip())
    lines.append(f"the default adds {figures['overhead']:.3f} of what the public loop adds")
    return "\n".join(lines)
