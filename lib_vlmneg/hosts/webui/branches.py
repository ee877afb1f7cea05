"""Where the CFG of a call ends: the model is evaluated once more there, and what CFG gives is changed.

Nothing here stays: a hook is for one call, chained behind whatever is in its place, and taken off when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from modules import shared
from torch import Tensor

from ...attention.push import Guard
from ...push.call import ModelCall, Side
from ...push.push import Turn
from ...record import Record
from . import host
from .conditioning import in_place_of, rows_of
from .patcher import carried

Evaluate = Callable[[Any], Tensor]  # from a cond, a row for each image, to what the model predicts for each [B, ...]


@dataclass
class Ending:
    """One call that is to end otherwise: the push is sent its answers, and those that it asks for beside them.

    What goes wrong does so inside `guard()`; where that raises nothing, the call ends as it would have. `came` says whether
    the host has guided the call at all.
    """

    turn: Turn
    call: ModelCall
    params: Any
    record: Record
    guard: Guard
    came: bool = False

    def shifts(self, own: Tensor, evaluate: Evaluate) -> dict[int, Tensor]:
        """By image, how far the push moves its null's prediction; its cond's where no null is evaluated.

        `own` are the call's answers, a row for each of its rows.
        """
        moved = self.turn.over([own, *self._extra(evaluate)])
        side = Side.UNCOND if self.call.pull else Side.COND
        firsts: dict[int, int] = {}
        for row in self.call.of(side):
            firsts.setdefault(self.call.rows[row].image, row)
        reached = {row.image for row in self.turn.wanted.changed_from(self.call)}
        return {image: moved[row] - own[row] for image, row in firsts.items() if image in reached}

    def _extra(self, evaluate: Evaluate) -> Iterator[Tensor]:
        """What the push asks for beside the call, each in the order of its rows."""
        like, images = self.params.text_uncond, 1 + max(row.image for row in self.call.rows)
        like = rows_of(self.params.text_cond, images) if like is None else like
        for texts in self.turn.wanted.extra:
            predicted = evaluate(in_place_of(like, next(iter(texts.values())).batch))
            self.record.extra_calls += 1
            yield torch.stack([predicted[self.call.rows[row].image] for row in texts])


@contextmanager
def hung(ending: Ending) -> Iterator[None]:
    """In on_cfg_denoiser: this very call ends so. Others' callbacks may still change its params."""
    with (_post_cfg if host.is_forge() else _combine_denoised)(ending):
        yield


def share_of(denoiser: Any) -> Any:
    """How much of a prediction an inpainting mask leaves, after CFG: all of it without one."""
    masked = getattr(denoiser, "mask", None) is not None
    before = getattr(denoiser, "mask_before_denoising", False) and not host.is_forge()
    return denoiser.nmask if masked and not before else 1.0


def added(guided: Tensor, shifts: Mapping[int, Tensor]) -> Tensor:
    """`guided` [B, ...] with these added to their images."""
    guided = guided.clone()
    for image, shift in shifts.items():
        guided[image] += shift
    return guided


@contextmanager
def _combine_denoised(ending: Ending) -> Iterator[None]:
    """AUTOMATIC1111: its CFG is a method of the denoiser (sd_samplers_cfg_denoiser.py:72), which others wrap in the instance.

    It is given the moved nulls, so that whatever they make of CFG stays. on_cfg_after_cfg would come after inpainting has
    put the original back, too late for a prediction of the whole picture.
    """
    call, denoiser = ending.call, ending.params.denoiser
    before, guide = vars(denoiser).get("combine_denoised"), denoiser.combine_denoised

    def combine_denoised(
        x_out: Tensor, conds_list: list[Any], uncond: Any, cond_scale: float, *given: Any, **named: Any
    ) -> Tensor:
        off()
        ending.came = True
        moved, rest = x_out, {}
        with ending.guard():
            shifts = ending.shifts(x_out[: len(call.rows)], lambda cond: _predicted(ending.params, cond, len(conds_list)))
            moved, rest = _moved(x_out, shifts, call.pull, [_pull(conds, cond_scale) for conds in conds_list])
        guided = guide(moved, conds_list, uncond, cond_scale, *given, **named)
        return added(guided, rest) if rest else guided

    def off() -> None:
        if vars(denoiser).get("combine_denoised") is not combine_denoised:
            return  # off already, or someone has wrapped ours since
        if before is None:
            del denoiser.combine_denoised
        else:
            denoiser.combine_denoised = before

    denoiser.combine_denoised = combine_denoised
    try:
        yield
    finally:
        off()


def _pull(conds: list[tuple[int, float]], cond_scale: float) -> float:
    """How far an image is guided away from its null: the weights of its prompts (AND) scale that, and so do others."""
    return cond_scale * sum(weight for _, weight in conds) - 1


def _moved(
    x_out: Tensor, shifts: Mapping[int, Tensor], pull: float | None, pulls: list[float]
) -> tuple[Tensor, dict[int, Tensor]]:
    """The answers with their nulls moved so that guidance moves each image by -pull * shift; what it cannot do is added."""
    if not pull:
        return x_out, dict(shifts)
    moved, rest = x_out.clone(), {}
    for image, shift in shifts.items():
        if pulls[image]:
            moved[image - len(pulls)] += shift * (pull / pulls[image])
        else:
            rest[image] = -pull * shift
    return moved, rest


def _predicted(params: Any, cond: Any, images: int) -> Tensor:
    """The model as the host calls it for the uncond alone (sd_samplers_cfg_denoiser.py:190 and :250)."""
    x, sigma, image_cond = params.x[-images:], params.sigma[-images:], params.image_cond[-images:]
    if shared.sd_model.model.conditioning_key == "crossattn-adm":
        conditions = {"c_crossattn": [cond], "c_adm": image_cond}
    else:
        conditions = {**(cond if isinstance(cond, dict) else {"c_crossattn": [cond]}), "c_concat": [image_cond]}
    return params.denoiser.inner_model(x, sigma, cond=conditions)


@contextmanager
def _post_cfg(ending: Ending) -> Iterator[None]:
    """The Forge family: behind the last of the U-Net's post-CFG functions, which are a list."""
    call, params = ending.call, ending.params
    nulls: list[bool] = []

    def post_cfg(args: dict[str, Any]) -> Tensor:
        guided, ending.came = args["denoised"], True
        with ending.guard():
            null = args["uncond_denoised"]
            if call.pull and nulls == [False]:  # another has set the scale to 1 for this call
                null = _evaluated(args, params.text_uncond)
            sides = {Side.COND: args["cond_denoised"], Side.UNCOND: null}
            own = torch.stack([sides[row.side][row.image] for row in call.rows])
            shifts = ending.shifts(own, lambda cond: _evaluated(args, cond))
            return added(guided, {image: shift * -call.pull if call.pull else shift for image, shift in shifts.items()})
        return guided

    with carried(params, nulls.append) as unet:
        functions = unet.model_options.get("sampler_post_cfg_function", [])
        unet.model_options["sampler_post_cfg_function"] = [*functions, post_cfg]
        yield


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
