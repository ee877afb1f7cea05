"""What a push costs a step, beside the host's own: calls of the denoiser, synchronisations with the device, and time.

Ways are drawn in turn, one picture at a time, in one process; each is compared with the same negative prompt typed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..record import Timeline
from ..settings import INSIDE, Settings
from .intervals import median_with_interval

OWN, TERMS = "red background", ("dog", "cat")
SCALES = (4.5, 1.0)
WAITS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")


class Synchronisations(TorchDispatchMode):
    """While entered, counts the operations that wait for the device: reading a value, comparing, copying off it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Torch's hook: called for each operation."""
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket._qualified_op_name.removeprefix("aten::")
        self.count += name in WAITS or (name in ("_to_copy", "copy_") and _leaves(args, found))
        return found


def _leaves(args: tuple, found: Any) -> bool:
    given = [each.device.type for each in args if isinstance(each, torch.Tensor)]
    return isinstance(found, torch.Tensor) and found.device.type == "cpu" and any(kind != "cpu" for kind in given)


@dataclass
class Counted:
    """Of one run, step by step: calls of the denoiser and synchronisations."""

    calls: list[int] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)


@contextmanager
def counted(pipe: Any) -> Iterator[Counted]:
    """Counts what a pipeline does in each step; the first step is the time from the start to its end."""
    from ..hosts.diffusers.denoiser import DENOISERS, between, between_steps

    found, waits = Counted(), Synchronisations()
    calls, seen = 0, 0

    def call(module: Any, plain: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        return plain(*args, **kwargs)

    def step(*_: Any) -> None:
        nonlocal calls, seen
        found.calls.append(calls)
        found.waits.append(waits.count - seen)
        calls, seen = 0, waits.count

    with between(pipe, DENOISERS, call), between_steps(pipe.scheduler, step), waits:
        yield found


def ways(request: Any, scale: float) -> dict[str, tuple[Any, Settings, list[Timeline]]]:
    """What is drawn at a guidance scale, by name: the request, the settings, the timelines. "typed" is the host alone."""
    drawn, terms = replace(request, negative_prompt=OWN, guidance_scale=scale), [Timeline({0: TERMS})]
    typed = replace(drawn, negative_prompt=", ".join((OWN, *TERMS)))
    pushes = ("cfg", "separate", *INSIDE) if scale > 1 else ("separate", *INSIDE)
    replays = {push: (drawn, Settings(enabled=True, steps=(), push=push), terms) for push in pushes}
    return {"typed": (typed, Settings(), []), **replays}


def measure(pipe: Any, request: Any, rounds: int) -> dict[str, Any]:
    """For each scale and way: calls and synchronisations a step, and seconds over those of the typed one, with an interval."""
    from ..hosts.diffusers import draw

    rows = {}
    for scale in SCALES:
        chosen = ways(request, scale)
        seconds: dict[str, list[float]] = {name: [] for name in chosen}
        counts: dict[str, Counted] = {}
        for name, (drawn, settings, timelines) in chosen.items():
            with counted(pipe) as counts[name]:
                record = draw(pipe, drawn, settings, timelines=timelines)[1]
            if record.failure:
                raise RuntimeError(f"{name}: {record.failure}")
        for name in [*chosen] * (rounds + 1):
            drawn, settings, timelines = chosen[name]
            began = time.perf_counter()
            draw(pipe, drawn, settings, timelines=timelines)
            seconds[name].append(time.perf_counter() - began)
        rows[f"CFG {scale:g}"] = {name: _row(name, counts, seconds, request.steps) for name in chosen}
    return {"model": request.model, "steps": request.steps, "rounds": rounds, "rows": rows}


def _row(name: str, counts: dict[str, Counted], seconds: dict[str, list[float]], steps: int) -> dict[str, float]:
    """Of steps after the first, which encodes: calls, the host's among them; synchronisations beyond the host's own."""
    own, typed = counts[name], counts["typed"]
    ratios = np.array(seconds[name][1:]) / np.array(seconds["typed"][1:])
    ratio, low, high = median_with_interval(ratios)
    waits = [ours - theirs for ours, theirs in zip(own.waits[1:], typed.waits[1:])]
    return {
        "calls": float(np.mean(own.calls[1:])),
        "calls typed": float(np.mean(typed.calls[1:])),
        "synchronisations": float(np.mean(waits)),
        "synchronisations typed": float(np.mean(typed.waits[1:])),
        "seconds a step": float(np.median(seconds[name][1:])) / steps,
        "ratio": ratio,
        "low": low,
        "high": high,
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    lines = ["{model}, {steps} steps, {rounds} rounds after one that is not counted; medians a step".format(**figures)]
    for scale, rows in figures["rows"].items():
        for name, row in rows.items():
            lines.append(
                f"{scale:8} {name:9} {row['calls']:.2f} calls (typed {row['calls typed']:.2f}), "
                f"{row['synchronisations']:+.2f} synchronisations, {row['seconds a step']:.4f} s, "
                f"ratio {row['ratio']:.3f} (95 % {row['low']:.3f} to {row['high']:.3f})"
            )
    return "\n".join(lines)
