"""What a pipeline is called with, and what of a request it cannot do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import InputError
from ...guidance.cfg import without_push
from ...guidance.safree import Filter
from ...settings import Settings
from .denoiser import denoiser
from .families import family_of, steered
from .families.family import Family


@dataclass(frozen=True)
class Request:
    """What to draw. Image number k of the batch has the seed `seed` + k, and is the picture that it would be alone."""

    prompt: str
    negative_prompt: str = ""
    model: str = "miniature"
    seed: int = 0
    steps: int = 28
    guidance_scale: float = 4.5
    height: int | None = None
    width: int | None = None
    batch: int = 1
    distilled_guidance: float | None = None
    max_sequence_length: int | None = None
    safree: Filter | None = None


def check_weight(settings: Settings) -> None:
    """Raises InputError for emphasis, which no pipeline of diffusers reads: it would stand in the prompt as brackets."""
    if settings.weight != 1:
        raise InputError(f"weight: {settings.weight:g} is emphasis, which diffusers does not read; leave it at 1")


def check_push(pipe: Any, settings: Settings, g: float, batch: int = 1) -> None:
    """Raises InputError for what this pipeline cannot do at this guidance scale, before it draws."""
    family, name = steered(pipe), type(pipe).__name__
    if settings.push == "cfg" and g <= family.above:
        does = without_push(g) or "does nothing"
        raise InputError(f"guidance_scale: at {g:g} a negative prompt {does}; give more than 1, or another push")
    if settings.push == "cfg" and not family.guides(pipe, g):
        raise InputError(f"push: {name} evaluates no negative prompt with this model; choose separate, vsf, nag or nasa")
    if family.single and batch > 1:
        raise InputError(f"batch: {name} is steered for one picture at a time; give 1")
    if settings.inside and family.attention is None:
        raise InputError(f"push: {name} cannot be pushed inside its attention; choose cfg or separate")


def arguments(pipe: Any, request: Request, height: int, width: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline is called with; `more` is added as it is. Raises InputError for what it does not take, or lacks."""
    accepted = inspect.signature(pipe.__call__).parameters
    name = type(pipe).__name__
    for missing in [each for each in more if each not in accepted][:1]:
        raise InputError(f"{missing}: {name} has none; leave it out")
    if getattr(pipe, "controlnet", None) is not None and not {"image", "control_image"} & set(more):
        raise InputError(f"model: {name} wants a picture to go by, as `more` of draw; give it, or another model")
    zeros = getattr(pipe.config, "force_zeros_for_empty_prompt", False)  # SDXL's null, where no negative prompt is given
    found = {
        "prompt": [request.prompt] * request.batch,
        "negative_prompt": None if zeros and not request.negative_prompt else [request.negative_prompt] * request.batch,
        "num_inference_steps": request.steps,
        "height": height,
        "width": width,
        "num_frames": 1,
        "output_type": "pil",
        "generator": [torch.Generator("cpu").manual_seed(request.seed + index) for index in range(request.batch)],
    }
    true_cfg = "true_cfg_scale" in accepted
    found["true_cfg_scale" if true_cfg else "guidance_scale"] = request.guidance_scale
    if request.max_sequence_length is not None:
        if "max_sequence_length" not in accepted:
            raise InputError(f"max_sequence_length: {name} has none; leave it out")
        found["max_sequence_length"] = request.max_sequence_length
    if request.distilled_guidance is not None:
        if not true_cfg:
            raise InputError(f"distilled_guidance: {name} has none; leave it out")
        found["guidance_scale"] = request.distilled_guidance
    return {key: value for key, value in found.items() if key in accepted} | dict(more)


@contextmanager
def guided(pipe: Any, family: Family | None, scale: float) -> Iterator[None]:
    """While entered, what guides has that scale, where the pipeline itself is not told."""
    found = family.guiders(pipe) if family and family.guiders else []
    before = [guider.guidance_scale for guider in found]
    try:
        for guider in found:
            guider.guidance_scale = scale
        yield
    finally:
        for guider, own in zip(found, before):
            guider.guidance_scale = own


def scale_of(pipe: Any) -> int:
    """Pixels to a latent's side."""
    names = ("vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
    return next(found for name in names if (found := getattr(pipe, name, None)))


def size(pipe: Any, request: Request) -> tuple[int, int]:
    """Height and width in pixels, by default the model's own. Raises InputError."""
    scale, accepted = scale_of(pipe), inspect.signature(pipe.__call__).parameters
    family = family_of(pipe)
    divisor = scale * (family.grid if family else 2 if hasattr(pipe, "transformer") else 1)
    own = getattr(pipe, "default_sample_size", None) or getattr(denoiser(pipe).config, "sample_size", None)
    found = []
    for name in ("height", "width"):
        value = getattr(request, name)
        if value is None:
            value = own * scale if isinstance(own, int) else accepted[name].default or getattr(pipe, "target_size", 1024)
        if value < divisor or value % divisor:
            raise InputError(
                f"{name}: {value} is not a positive multiple of {divisor}; {max(1, round(value / divisor)) * divisor} would be"
            )
        found.append(value)
    return found[0], found[1]
