"""What differs between the WebUIs, in one place. Line numbers are AUTOMATIC1111 1.10.1's and Forge f2.0.1's own."""

from __future__ import annotations

import importlib.util
import logging
from functools import cache
from typing import Any

from modules import images, infotext_utils, prompt_parser, sd_samplers, shared
from torch import Tensor

from ...guidance.cfg import without_push
from ...negatives import CHUNK

NOTE = "VLM Negative note"  # the infotext key of what went wrong
UNCOUNTED = ("DPM adaptive", "HeunPP2")  # samplers that call the model more often than `denoiser.total_steps` says
AT_1 = "the CFG scale is 1, where a negative prompt does nothing; raise it, or choose another push"
COMPOSING = ("SD upscale", "Ultimate SD upscale", "Outpainting mk2", "Poor man's outpainting")

logger = logging.getLogger(__name__)


@cache
def is_forge() -> bool:
    """Forge and what descends from it: on_cfg_after_cfg gives x0 for every sampler, and models move by its own management."""
    return importlib.util.find_spec("modules_forge") is not None


def say(p: Any, message: str) -> None:
    """Tells the user once: under the picture, in its parameters (which is what the API returns), and in the log."""
    if p.extra_generation_params.get(NOTE) == message:
        return
    p.extra_generation_params[NOTE] = message
    if hasattr(p, "comment"):
        p.comment(f"VLM Negative: {message}")
    logger.warning("VLM Negative: %s", message)


def is_stopped() -> bool:
    """Whether the user has pressed Interrupt or Skip."""
    return bool(shared.state.interrupted or shared.state.skipped)


def is_busy() -> bool:
    """Whether something is being drawn, also in another tab or over the API."""
    return bool(shared.state.job)


def in_hires(p: Any) -> bool:
    """Whether `p` is in its hires pass."""
    return bool(getattr(p, "is_hr_pass", False))


def texts_of(p: Any) -> tuple[list[str], list[str]]:
    """Prompts and negative prompts of the pass that runs, one an image, extra networks and styles already taken care of."""
    if in_hires(p):
        return list(p.hr_prompts), list(p.hr_negative_prompts)
    return list(p.prompts), list(p.negative_prompts)


def size_of(p: Any) -> tuple[int, int]:
    """Width and height in pixels of the pass that runs."""
    return (p.hr_upscale_to_x, p.hr_upscale_to_y) if in_hires(p) else (p.width, p.height)


def cfg_of(p: Any, hires: bool | None = None) -> float:
    """The CFG scale of a pass (None: the one that runs); Forge has one of its own for the hires pass (cfg_denoiser.py:187)."""
    own = getattr(p, "hr_cfg", None) if (in_hires(p) if hires is None else hires) and is_forge() else None
    return p.cfg_scale if own is None else own


def pass_without_uncond(p: Any, hires: bool, sigma: Tensor | None = None) -> str | None:
    """Why no call of a pass uses a negative prompt; None where some do. `sigma` is the pass's first, where it is known."""
    options, scale = shared.opts, cfg_of(p, hires)
    if does := without_push(scale):
        return f"the CFG scale is {scale:g}, where a negative prompt {does}; set it above 1, or choose another push"
    if (getattr(options, "skip_early_cond", 0.0) or 0.0) >= 1:
        return "the option 'Ignore negative prompt during early sampling' is 1, which is the whole run; lower it"
    least, every = getattr(p, "s_min_uncond", 0.0) or 0.0, getattr(options, "s_min_uncond_all", False)
    if every and least and sigma is not None and least > float(sigma):
        return f"the option 'Negative Guidance minimum sigma' is {least:g}, above all of this pass; lower it"
    return None


def pass_without_cond(p: Any, hires: bool) -> str | None:
    """Why no call of a pass uses the prompt, which is what a push inside attention acts on; None where some do."""
    if cfg_of(p, hires):
        return None
    return "the CFG scale is 0, where the prompt does not act and so no push on it; set it to 1 or above"


def uncond_left_out(params: Any, p: Any) -> str | None:
    """Why this call does not evaluate its uncond; None where it does (cfg_denoiser.py:218, Forge's :190)."""
    denoiser, options = params.denoiser, shared.opts
    if params.text_uncond is None or (is_forge() and cfg_of(p) == 1):
        return AT_1
    early = getattr(options, "skip_early_cond", 0.0)
    if early and denoiser.step / max(1, denoiser.total_steps) <= early:
        return "the option 'Ignore negative prompt during early sampling' is on"
    least = getattr(p, "s_min_uncond", 0.0) or 0.0
    every = getattr(options, "s_min_uncond_all", False)
    if least > 0 and (denoiser.step % 2 or every) and float(params.sigma[0]) < least:
        return "the option 'Negative Guidance minimum sigma' is on"
    return None


def uncond_unused(params: Any, p: Any) -> str | None:
    """Why what the uncond says changes nothing in this call; None where it does: at 1 AUTOMATIC1111 evaluates it in vain."""
    return uncond_left_out(params, p) or (AT_1 if cfg_of(p) == 1 else None)


def composes(p: Any) -> str | None:
    """The script that puts a picture together from several generations of `p`; None where each picture is of one."""
    index = next(iter(getattr(p, "script_args", None) or ()), 0)
    selectable = getattr(getattr(p, "scripts", None), "selectable_scripts", ())
    if not isinstance(index, int) or not 0 < index <= len(selectable):
        return None
    title = str(selectable[index - 1].title())
    return title if title in COMPOSING else None


def upscales(p: Any) -> bool:
    """Whether this is "create an upscaled version": a hires pass alone, of a picture that is there (processing.py:1310)."""
    return getattr(p, "firstpass_image", None) is not None


def source(p: Any) -> Any:
    """The picture that this generation starts from: of img2img, or of "create an upscaled version"; None of txt2img."""
    return getattr(p, "firstpass_image", None) or next(iter(getattr(p, "init_images", None) or ()), None)


def parameters_of(image: Any) -> dict[str, str]:
    """What is written in a picture's parameters; nothing where it has none."""
    text = images.read_info_from_image(image)[0] if image is not None else None
    return infotext_utils.parse_generation_parameters(text) if text else {}


def model_now() -> tuple[int, str]:
    """What tells one model from another: AUTOMATIC1111 loads a refiner's weights into the same object (sd_models.py:981)."""
    checkpoint = getattr(shared.sd_model, "sd_checkpoint_info", None)
    return id(shared.sd_model), str(getattr(checkpoint, "filename", ""))


def longest_pass(p: Any) -> int:
    """The steps of the pass that has most; of img2img all that are counted, though it may leave the first out."""
    hires = getattr(p, "hr_second_pass_steps", 0) if getattr(p, "enable_hr", False) else 0
    return max(p.steps, hires)


def prompt_steps(p: Any, denoiser: Any) -> tuple[int, int | None]:
    """The steps that prompt editing counts with, as the host's setup_conds and calculate_hr_conds do (processing.py:493)."""
    base = getattr(p, "firstpass_steps", None) or denoiser.total_steps
    if not in_hires(p):
        return base, None
    config = sd_samplers.find_sampler_config(p.hr_sampler_name or p.sampler_name)
    steps = p.hr_second_pass_steps or p.steps
    return base, config.total_steps(steps) if config else steps


def schedule(text: str, steps: int, hires_steps: int | None) -> list[tuple[int, str]]:
    """What a prompt with [from:to:when] says until which step, by the host's own parser.

    Without a "[" there is nothing to edit: the parser, which leaves two classes and its trees behind at each call
    (prompt_parser.py:78), is spared.
    """
    if "[" not in text:
        return [(hires_steps or steps, text)]
    old = getattr(shared.opts, "use_old_scheduling", False)
    return prompt_parser.get_learned_conditioning_prompt_schedules([text], steps, hires_steps, old)[0]


def tokens(text: str) -> int:
    """How many tokens the host counts in a text without prompt editing; 0 where it does not count."""
    return _lengths(text)[0]


def chunk() -> int:
    """How many tokens the text encoder has place for before it takes more: 75 of CLIP, 255 of Forge's T5, an LLM's 999."""
    return _lengths("")[1] or CHUNK


def _lengths(text: str) -> tuple[int, int]:
    """The tokens of a text, and for how many there is place before it takes more."""
    model = shared.sd_model
    if hasattr(model, "get_prompt_lengths_on_ui"):
        count, place = model.get_prompt_lengths_on_ui(text)
    else:
        from modules.sd_hijack import model_hijack

        count, place = model_hijack.get_prompt_lengths(text)
    return tuple(number if isinstance(number, int) else 0 for number in (count, place))


def sigmas_of(p: Any, steps: int, first: Tensor) -> tuple[float, ...]:
    """The noise levels of the pass, one a step, for samplers whose calls do not tell the step; () where they do."""
    sampler = p.sampler
    if getattr(sampler.config, "name", "") not in UNCOUNTED or not hasattr(sampler, "get_sigmas"):
        return ()
    most = float(first) * 1.001
    levels = [float(level) for level in sampler.get_sigmas(p, p.steps) if 0 < float(level) <= most]
    return tuple(levels[index * len(levels) // steps] for index in range(steps)) if levels else ()
