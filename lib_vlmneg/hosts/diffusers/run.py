"""One generation with diffusers: the guide hears x0 from the scheduler and speaks through the step-end callback."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ... import __version__
from ...decode import Decoder
from ...errors import InputError
from ...guidance.cfg import without_push
from ...guidance.safree import Filter
from ...guide import Guide, Watcher
from ...negatives import Room
from ...oracles.base import Oracle
from ...query.asking import side_of
from ...query.vocabulary import Vocabulary, find
from ...record import Record, Timeline
from ...schedule import Clock, check_steps
from ...settings import INSIDE, Settings
from .decoders import decoder as decoder_of
from .denoiser import denoiser
from .inside import Inside
from .push import Joined, Push
from .safree import Safree
from .separate import Separate
from .x0 import predicted_x0

PUSHES = {"cfg": Joined, "separate": Separate, **dict.fromkeys(INSIDE, Inside)}

SaveX0 = Callable[[int, float, list[Image.Image]], None]


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


def draw(
    pipe: Any,
    request: Request,
    settings: Settings,
    oracle: Oracle | None = None,
    tiny: Any | None = None,
    timelines: Sequence[Timeline] = (),
    watch: Watcher | None = None,
    save_x0: SaveX0 | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[list[Image.Image], Record]:
    """Draws the request with the guide; plain without an oracle and timelines. Raises InputError for what cannot work.

    `vocabulary` is the one that the settings name, where that is a file: only presets and lists are found here.
    """
    if oracle and vocabulary is None:
        vocabulary = find(settings.vocabulary)
    height, width = _size(pipe, request)
    if oracle:
        check_steps(settings, request.steps)
    arguments = _arguments(pipe, request, height, width, settings, guided=bool(oracle or timelines))
    wanted, side = (settings.decode, side_of(settings, oracle)) if oracle else ("full", height)
    decoder = decoder_of(pipe, tiny, wanted, height, width, side)
    guide = Guide(
        settings,
        Clock(request.steps, None),
        [request.prompt] * request.batch,
        [request.negative_prompt] * request.batch,
        oracle,
        decoder,
        _room(pipe),
        timelines,
        watch,
        vocabulary=vocabulary if oracle else None,
    )
    dtype = str(pipe.dtype).removeprefix("torch.")
    guide.record.generation = asdict(request) | {"height": height, "width": width, "dtype": dtype, "version": __version__}
    began = time.perf_counter()
    push = PUSHES[settings.push](pipe, guide, request.guidance_scale, request.max_sequence_length)
    with _attached(pipe, guide, push, request, decoder, save_x0) as hooks:
        images = pipe(**arguments, **hooks).images
    guide.record.generation["seconds"] = round(time.perf_counter() - began, 3)
    return images, guide.record


@contextmanager
def _attached(
    pipe: Any, guide: Guide, push: Push, request: Request, decoder: Decoder, save_x0: SaveX0 | None
) -> Iterator[dict[str, Any]]:
    """Gives the call arguments that attach the guide; nothing stays on the pipeline afterwards."""
    calls = 0
    safree = Safree(pipe, request.prompt, request.batch, request.steps, request.safree) if request.safree else None
    scheduler_step = pipe.scheduler.step

    @wraps(scheduler_step)  # pipelines look at its signature for whether it takes a generator
    def step(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        if calls == 0:  # only now are the scheduler's timesteps known: a second-order one has more than steps
            guide.clock = Clock(guide.clock.steps, len(pipe.scheduler.timesteps))
        if save_x0 or guide.wants(calls):
            with guide.guarded(calls):
                x0, sigma = predicted_x0(pipe.scheduler, model_output, timestep, sample)
                guide.observe(calls, sigma, x0)
                if save_x0:
                    save_x0(calls, float(timestep), decoder(x0))
        return scheduler_step(push.guided(calls, model_output), timestep, sample, *args, **kwargs)

    def on_step_end(_: Any, index: int, timestep: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls = index + 1
        if safree:
            safree.step = guide.clock.step(calls)
        return push.step_ended(calls, inputs)

    pipe.scheduler.step = step
    try:
        with safree.attached() if safree else nullcontext(), push.attached():  # the prompt before it is joined
            yield {"callback_on_step_end": on_step_end, "callback_on_step_end_tensor_inputs": push.tensor_inputs()}
    finally:
        del pipe.scheduler.step


def check_guidance(settings: Settings, guidance_scale: float) -> None:
    """Raises InputError where no term could act at this scale, before anything is loaded or drawn."""
    if settings.push == "cfg" and (does := without_push(guidance_scale)):
        raise InputError(f"guidance_scale: at {guidance_scale:g} a negative prompt {does}; give more than 1, or another push")


def _arguments(pipe: Any, request: Request, height: int, width: int, settings: Settings, guided: bool) -> dict[str, Any]:
    """What the pipeline is called with."""
    accepted = inspect.signature(pipe.__call__).parameters
    name = type(pipe).__name__
    if guided and not settings.inside and "negative_prompt" not in accepted:
        raise InputError(
            f"model: {name} takes no negative prompt, so nothing can be steered; draw without --question, or use another"
        )
    if "callback_on_step_end" not in accepted:
        raise InputError(f"model: {name} lets nobody in between its steps; use another")
    if guided:
        check_guidance(settings, request.guidance_scale)
    arguments = {
        "prompt": [request.prompt] * request.batch,
        "negative_prompt": [request.negative_prompt] * request.batch,
        "num_inference_steps": request.steps,
        "height": height,
        "width": width,
        "generator": [torch.Generator("cpu").manual_seed(request.seed + index) for index in range(request.batch)],
    }
    true_cfg = "true_cfg_scale" in accepted
    arguments["true_cfg_scale" if true_cfg else "guidance_scale"] = request.guidance_scale
    if request.max_sequence_length is not None:
        if "max_sequence_length" not in accepted:
            raise InputError(f"max_sequence_length: {name} has none; leave it out")
        arguments["max_sequence_length"] = request.max_sequence_length
    if request.distilled_guidance is not None:
        if not true_cfg:
            raise InputError(f"distilled_guidance: {name} has none; leave it out")
        arguments["guidance_scale"] = request.distilled_guidance
    return {key: value for key, value in arguments.items() if key in accepted}


def _size(pipe: Any, request: Request) -> tuple[int, int]:
    """Height and width in pixels, by default the model's own. Raises InputError."""
    own = getattr(pipe, "default_sample_size", None) or denoiser(pipe).config.sample_size
    scale = pipe.vae_scale_factor
    divisor = scale * (2 if hasattr(pipe, "transformer") else 1)
    size = []
    for name in ("height", "width"):
        value = getattr(request, name)
        value = own * scale if value is None else value
        if value < divisor or value % divisor:
            raise InputError(
                f"{name}: {value} is not a positive multiple of {divisor}; {max(1, round(value / divisor)) * divisor} would be"
            )
        size.append(value)
    return size[0], size[1]


def _room(pipe: Any) -> Room | None:
    """CLIP reads one chunk here, and what is behind it is cut; None where no CLIP reads the prompt."""
    found = (getattr(pipe, name, None) for name in ("tokenizer", "tokenizer_2"))
    clip = next((tokenizer for tokenizer in found if type(tokenizer).__name__.startswith("CLIPTokenizer")), None)
    return Room(lambda text: len(clip(text, add_special_tokens=False).input_ids), most=1) if clip else None
