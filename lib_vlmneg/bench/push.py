"""What a push inside attention costs: model calls plain and pushed in turn, in one run, at a model's real size.

The weights are random: they cost the time that trained ones do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..attention.methods import METHODS
from ..attention.push import AttentionPush
from ..attention.strengths import suited
from ..errors import InputError
from ..guide import Guide
from ..push.inside import Inside
from ..schedule import Clock
from ..settings import Settings

NEGATIVE_TOKENS = 8
SIDES = {"sd15": 512, "sd3": 1024, "sd3-block": 1024}  # pixels that each is made for


def measure(family: str, rounds: int, side: int | None, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Median seconds of a model call, plain and by each method, over `rounds` rounds after one that is not counted.

    `family` is a name in SIDES, `side` a multiple of 64 pixels, by default the family's own. Raises InputError.
    """
    from ..hosts.diffusers.sizes import SIZES

    usual = SIDES[family]
    if side is not None and (side < 64 or side % 64):
        raise InputError(f"side: {side} is not a positive multiple of 64; {usual} is the model's own")
    case = SIZES[family](side or usual, device, dtype)
    negative = torch.randn(NEGATIVE_TOKENS, case.width, device=device, dtype=dtype)
    taken: dict[str, list[float]] = {"plain": [], **{name: [] for name in METHODS}}
    for name in [*taken] * (rounds + 1):
        taken[name].append(_seconds(case, family, name, negative, device))
    seconds = {name: median(times[1:]) for name, times in taken.items()}
    return {
        "model": family,
        "side": side or usual,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "rounds": rounds,
        "seconds": seconds,
        "ratios": {name: median(a / b for a, b in zip(taken[name][1:], taken["plain"][1:])) for name in METHODS},
    }


@dataclass(frozen=True)
class _Encoded:
    """A text that is there already."""

    embeds: Tensor

    def has(self, prompts: Sequence[str], number: int) -> bool:
        return True

    def texts(self, prompts: Sequence[str], number: int) -> list[tuple[Tensor, None]]:
        return [(self.embeds, None)] * len(prompts)


@torch.inference_mode()
def _seconds(case: Any, family: str, name: str, negative: Tensor, device: torch.device) -> float:
    """Of one model call, on a CPU those of the process alone; "plain" is without a push."""
    from ..hosts.diffusers.adapter import hung
    from ..hosts.diffusers.families import sd3, unet

    family = family.partition("-")[0]
    known = {"sd15": unet.STABLE_DIFFUSION, "sd3": sd3.SD3}[family]
    with ExitStack() as stack:
        if name != "plain":
            guide = Guide(Settings(enabled=True, push=name), Clock(1, 1), ["a prompt"], ["a negative"])
            push = Inside(guide, _Encoded(negative), AttentionPush(suited(name, family)))
            stack.enter_context(hung(case.pipe, known, push, 1.0))
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        _wait(device)
        began = clock()
        case.call()
        _wait(device)
        return clock() - began


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    head = "{model} at {side} px, random weights, {dtype} on {device}: a model call, medians of {rounds} rounds".format(
        **figures
    )
    lines = [f"plain {figures['seconds']['plain']:.3f} s"]
    lines += [f"{name:5} {figures['seconds'][name]:.3f} s, ratio {ratio:.3f}" for name, ratio in figures["ratios"].items()]
    return "\n".join([head, *lines])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
