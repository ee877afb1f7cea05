"""Samplers by the names that WebUIs give them."""

from __future__ import annotations

from typing import Any

SAMPLERS = {"euler a": "EulerAncestralDiscreteScheduler", "ddim": "DDIMScheduler", "dpm++ 2m": "DPMSolverMultistepScheduler"}


def use(pipe: Any, name: str) -> None:
    """Has the pipeline draw with the sampler of that name, on the noise schedule that it has."""
    import diffusers

    pipe.scheduler = getattr(diffusers, SAMPLERS[name]).from_config(pipe.scheduler.config)
