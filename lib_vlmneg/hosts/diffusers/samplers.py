"""Samplers by the names that WebUIs give them."""

from __future__ import annotations

from typing import Any

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {  # diffusers' class, and what latents need that it does not do by default
    "euler a": ("EulerAncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),  # it clips x0 to -1..1 unless told not to
    "dpm++ 2m": ("DPMSolverMultistepScheduler", {}),
}


def use(pipe: Any, name: str) -> None:
    """Has the pipeline draw with the sampler of that name, on the noise schedule that it has."""
    import diffusers

    sampler, options = SAMPLERS[name]
    pipe.scheduler = getattr(diffusers, sampler).from_config(pipe.scheduler.config, **options)
