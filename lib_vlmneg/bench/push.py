"""What a push inside attention costs: model calls plain and pushed in turn, in one run, at a model's real size.

The weights are random: they cost the time that trained ones do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from ..attention.methods import METHODS
from ..attention.negative import Negative
from ..attention.push import AttentionPush
from ..attention.strengths import suited
from ..errors import InputError

NEGATIVE_TOKENS = 8
SD15 = {"cross_attention_dim": 768, "sample_size": 64, "attention_head_dim": 8}
SD3 = {
    "sample_size": 128,
    "num_layers": 24,
    "num_attention_heads": 24,
    "attention_head_dim": 64,
    "caption_projection_dim": 1536,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
    "out_channels": 16,
}


@dataclass(frozen=True)
class Denoiser:
    """As much of a pipeline as a push takes hold of."""

    unet: nn.Module | None = None
    transformer: nn.Module | None = None


@dataclass(frozen=True)
class Case:
    """A denoiser, one call of it, and the text that it reads: tokens and width."""

    pipe: Denoiser
    call: Callable[[], Any]
    width: int


def sd15(side: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Stable Diffusion 1.5 on a picture of `side` pixels."""
    from diffusers import UNet2DConditionModel

    unet = _random(partial(UNet2DConditionModel, **SD15), device, dtype)
    given = _randn(device, dtype, sample=(1, 4, side // 8, side // 8), encoder_hidden_states=(1, 77, 768))
    return Case(Denoiser(unet=unet), partial(unet, timestep=500, **given), 768)


def sd3(side: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Stable Diffusion 3 medium on a picture of `side` pixels, with 77 tokens of its CLIPs and 77 of its T5."""
    from diffusers import SD3Transformer2DModel

    transformer = _random(partial(SD3Transformer2DModel, **SD3), device, dtype)
    shapes = {"hidden_states": (1, 16, side // 8, side // 8), "encoder_hidden_states": (1, 154, 4096)}
    given = _randn(device, dtype, **shapes, pooled_projections=(1, 2048))
    return Case(
        Denoiser(transformer=transformer), partial(transformer, timestep=torch.tensor([500.0], device=device), **given), 4096
    )


SIZES = {"sd15": (sd15, 512), "sd3": (sd3, 1024)}  # with the side that the model is made for


def measure(family: str, rounds: int, side: int | None, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Median seconds of a model call, plain and by each method, over `rounds` rounds after one that is not counted.

    `family` is a name in SIZES, `side` a multiple of 64 pixels, by default the family's own. Raises InputError.
    """
    make, usual = SIZES[family]
    if side is not None and (side < 64 or side % 64):
        raise InputError(f"side: {side} is not a positive multiple of 64; {usual} is the model's own")
    case = make(side or usual, device, dtype)
    negative = Negative.of([torch.randn(NEGATIVE_TOKENS, case.width, device=device, dtype=dtype)])
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


@torch.inference_mode()
def _seconds(case: Case, family: str, name: str, negative: Negative, device: torch.device) -> float:
    """Of one model call, on a CPU those of the process alone; "plain" is without a push."""
    from ..hosts.diffusers.attention import attached

    with ExitStack() as stack:
        if name != "plain":
            attachment = stack.enter_context(attached(case.pipe, AttentionPush(suited(name, family)), images=1))
            attachment.pushing.negative = negative
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


def _random(make: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype) -> nn.Module:
    with torch.device("meta"):
        module = make().to(dtype)
    module = module.to_empty(device=device).eval().requires_grad_(False)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            tensor.normal_(std=0.02)
    return module


def _randn(device: torch.device, dtype: torch.dtype, **shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: torch.randn(shape, device=device, dtype=dtype) for name, shape in shapes.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
