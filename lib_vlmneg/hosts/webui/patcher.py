"""The Forge family: a U-Net's patcher that carries something of ours for one call of the CFG-denoiser."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Begun = Callable[[bool], None]  # told, as the call begins, whether it evaluates the uncond


@contextmanager
def carried(params: Any, begun: Begun = lambda _: None) -> Iterator[Any]:
    """In on_cfg_denoiser: gives a copy of the U-Net's patcher, which the call about to be made takes in its place.

    The sampler looks the U-Net up once a call (sampling_function.py:328); the first that it then does is to call the
    conditioning modifiers, the last of which puts the own patcher back. So whatever goes on in the model, and whatever
    fails there, nothing of ours is on the host, and what brings models into memory sees the patcher that the sampler has
    prepared. A shallow copy, since `clone` copies every other extension's functions with all that they hold.
    """
    objects = params.denoiser.inner_model.inner_model.forge_objects
    own = objects.unet
    copied = copy.copy(own)

    def off() -> None:
        if objects.unet is copied:
            objects.unet = own

    def begin(
        model: Any, x: Any, timestep: Any, uncond: Any, cond: Any, cond_scale: float, model_options: dict[str, Any], seed: Any
    ) -> tuple[Any, ...]:
        off()
        at_1 = math.isclose(cond_scale, 1.0) and not model_options.get("disable_cfg1_optimization", False)
        begun(uncond is not None and not at_1)  # as in sampling_function.py:291
        return model, x, timestep, uncond, cond, cond_scale, model_options, seed

    given = own.model_options.get("transformer_options", {})
    patches = {name: list(listed) for name, listed in given.get("patches", {}).items()}
    replaced = {name: dict(named) for name, named in given.get("patches_replace", {}).items()}
    options = {**given, "patches": patches, "patches_replace": replaced}
    modifiers = [*own.model_options.get("conditioning_modifiers", []), begin]
    copied.model_options = {**own.model_options, "transformer_options": options, "conditioning_modifiers": modifiers}
    objects.unet = copied
    try:
        yield copied
    finally:
        off()
