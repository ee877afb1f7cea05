"""Another branch within a model call: where a host's CFG ends, and how the model is evaluated once more there.

Nothing here stays: a hook is for one call, chained behind whatever is in its place, and taken off when it is called.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from modules import shared
from torch import Tensor

from . import host

Evaluate = Callable[[Any], Tensor]  # from a cond, a row for each image, to what the model predicts
AfterCfg = Callable[[Tensor, "Tensor | None", Evaluate], Tensor]  # guided, null or None where left out -> guided otherwise


@dataclass
class Hung:
    """A hook that waits for its call."""

    denoiser: Any
    off: Callable[[], None]
    waits: bool = True

    def taken_off(self) -> bool:
        """Takes it off; whether it was still there."""
        waited, self.waits = self.waits, False
        if waited:
            self.off()
        return waited


def hang(params: Any, then: AfterCfg) -> Hung:
    """In on_cfg_denoiser: has `then` change what CFG gives in this very call. Others' callbacks may still change `params`."""
    return (_post_cfg if host.is_forge() else _combine_denoised)(params, then)


def share_of(denoiser: Any) -> Any:
    """How much of a prediction an inpainting mask leaves, after CFG: all of it without one."""
    masked = getattr(denoiser, "mask", None) is not None
    before = getattr(denoiser, "mask_before_denoising", False) and not host.is_forge()
    return denoiser.nmask if masked and not before else 1.0


def _combine_denoised(params: Any, then: AfterCfg) -> Hung:
    """AUTOMATIC1111: its CFG is a method of the denoiser (sd_samplers_cfg_denoiser.py:72), which others wrap in the instance.

    on_cfg_after_cfg comes after inpainting has put the original back, too late for a prediction of the whole picture.
    """
    denoiser = params.denoiser
    before = vars(denoiser).get("combine_denoised")
    guide = denoiser.combine_denoised

    def combine_denoised(x_out: Tensor, conds_list: Any, *given: Any, **named: Any) -> Tensor:
        hung.taken_off()
        guided = guide(x_out, conds_list, *given, **named)
        null = x_out[-len(conds_list) :]
        firsts = [conds[0][0] for conds in conds_list]
        copied = torch.equal(null, x_out[firsts])  # what the host does where it skips the uncond (:253)
        return then(guided, None if copied else null, lambda cond: _predicted(params, cond, len(conds_list)))

    def off() -> None:
        if vars(denoiser).get("combine_denoised") is not combine_denoised:
            return  # someone has wrapped ours since
        if before is None:
            del denoiser.combine_denoised
        else:
            denoiser.combine_denoised = before

    denoiser.combine_denoised = combine_denoised
    hung = Hung(denoiser, off)
    return hung


def _predicted(params: Any, cond: Any, images: int) -> Tensor:
    """The model as the host calls it for the uncond alone (sd_samplers_cfg_denoiser.py:190 and :250)."""
    x, sigma, image_cond = params.x[-images:], params.sigma[-images:], params.image_cond[-images:]
    if shared.sd_model.model.conditioning_key == "crossattn-adm":
        conditions = {"c_crossattn": [cond], "c_adm": image_cond}
    else:
        conditions = {**(cond if isinstance(cond, dict) else {"c_crossattn": [cond]}), "c_concat": [image_cond]}
    return params.denoiser.inner_model(x, sigma, cond=conditions)


def _post_cfg(params: Any, then: AfterCfg) -> Hung:
    """The Forge family: behind the last of the U-Net's post-CFG functions, which are a list.

    The sampler looks the U-Net up at each call. A copy carries ours, since what is hung on the U-Net itself would outlive an
    exception; a shallow one, since `clone` copies every other extension's functions with all that they hold.
    """
    objects = params.denoiser.inner_model.inner_model.forge_objects
    own = objects.unet
    copied = copy.copy(own)

    def post_cfg(args: dict[str, Any]) -> Tensor:
        hung.taken_off()
        null = args["uncond_denoised"]
        skipped = null is None or not bool(null.any())  # Forge gives zeros, reForge None
        return then(args["denoised"], None if skipped else null, lambda cond: _evaluated(args, cond))

    def off() -> None:
        if objects.unet is copied:
            objects.unet = own

    functions = [*own.model_options.get("sampler_post_cfg_function", []), post_cfg]
    copied.model_options = {**own.model_options, "sampler_post_cfg_function": functions}
    objects.unet = copied
    hung = Hung(params.denoiser, off)
    return hung


def _evaluated(args: dict[str, Any], cond: Any) -> Tensor:
    """The model as the host calls it for an uncond alone, with the ControlNets and the concatenated image of its own conds."""
    try:
        from backend.sampling.condition import compile_conditions
        from backend.sampling.sampling_function import calc_cond_uncond_batch
    except ImportError:  # reForge and Classic
        from ldm_patched.modules.samplers import calc_cond_uncond_batch
        from modules_forge.forge_sampler import cond_from_a1111_to_patched_ldm as compile_conditions
    beside = args["cond"][0]
    (conditions,) = compile_conditions(cond)
    if "control" in beside:
        conditions["control"] = beside["control"]
    if "c_concat" in beside["model_conds"]:
        conditions["model_conds"]["c_concat"] = beside["model_conds"]["c_concat"]
    return calc_cond_uncond_batch(args["model"], [], [conditions], args["input"], args["sigma"], args["model_options"])[1]
