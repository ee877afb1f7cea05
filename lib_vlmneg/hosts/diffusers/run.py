"""One generation with diffusers: the guide hears x0 from the scheduler, and a push acts in the denoiser's calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from PIL import Image
from torch import Tensor

from ... import __version__
from ...attention.asked import asked
from ...decode import Decoder
from ...guide import Guide, Watcher
from ...oracles.base import Oracle
from ...push.inside import Inside
from ...push.joined import Joined
from ...push.put_in import PutIn
from ...push.separate import Separate
from ...query.asking import side_of
from ...query.vocabulary import Vocabulary, find
from ...record import Record, Timeline
from ...schedule import Clock, check_steps
from ...settings import Settings
from .adapter import Adapter, hung
from .arguments import Request, arguments, check_push, check_weight, guided, size
from .attention_text import BareEncoder
from .decoders import decoder as decoder_of
from .denoiser import between_steps
from .encode import Encoder, room
from .families import family_of
from .families.family import Family
from .safree import safree
from .x0 import predicted_x0

SaveX0 = Callable[[int, float, list[Image.Image]], None]


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
    more: Mapping[str, Any] | None = None,
) -> tuple[list[Image.Image], Record]:
    """Draws the request with the guide; plain without an oracle and timelines. Raises InputError for what cannot work.

    `vocabulary` is the one that the settings name, where that is a file: only presets and lists are found here. `more` is
    what else the pipeline is called with: the image of a ControlNet, ip_adapter_image, clip_skip.
    """
    if oracle and vocabulary is None:
        vocabulary = find(settings.vocabulary)
    height, width = size(pipe, request)
    family = family_of(pipe)
    if oracle:
        check_steps(settings, request.steps)
    if oracle or timelines:
        check_weight(settings)
    if oracle or timelines or (settings.enabled and settings.inside):
        check_push(pipe, settings, request.guidance_scale, request.batch)
    given = arguments(pipe, request, height, width, more or {})
    wanted, side = (settings.decode, side_of(settings, oracle)) if oracle else ("full", height)
    guide = Guide(
        settings,
        Clock(request.steps, None),
        [request.prompt] * request.batch,
        [request.negative_prompt] * request.batch,
        oracle,
        decoder := decoder_of(pipe, tiny, wanted, height, width, side),
        room(pipe, family, request.max_sequence_length, request.prompt) if family and settings.enabled else None,
        timelines,
        watch,
        vocabulary=vocabulary if oracle else None,
    )
    dtype = str(pipe.dtype).removeprefix("torch.")
    guide.record.generation = asdict(request) | {"height": height, "width": width, "dtype": dtype, "version": __version__}
    began = time.perf_counter()
    with ExitStack() as stack:
        hangs = (family and (settings.enabled or _to_put_in(family, request))) or request.safree
        adapter = _adapter(pipe, family, guide, request, stack) if hangs else None
        stack.enter_context(guided(pipe, family, request.guidance_scale))
        stack.enter_context(between_steps(pipe.scheduler, _looks(pipe, guide, adapter, decoder, save_x0)))
        drawn = pipe(**given)
    guide.ended()
    guide.record.generation["seconds"] = round(time.perf_counter() - began, 3)
    return _pictures(drawn), guide.record


def _to_put_in(family: Family, request: Request) -> bool:
    """Whether there is a negative prompt that the pipeline does not take."""
    return family.negative is not None and request.negative_prompt != family.negative


def _adapter(pipe: Any, family: Family, guide: Guide, request: Request, stack: ExitStack) -> Adapter:
    """Hangs the push on the pipeline for as long as `stack` is open."""
    scale = request.guidance_scale
    filtered = safree(pipe, family, request.prompt, request.steps, request.safree) if request.safree else None
    before = (lambda call: filtered(call, guide.clock.step(call.number))) if filtered else None
    encoder = Encoder(pipe, family, guide.record.negatives, request.max_sequence_length)
    if _to_put_in(family, request):
        before = PutIn(encoder, guide.record.negatives)
    stack.enter_context(encoder.recorded())
    if guide.settings.inside:
        with guide.guarded(0):
            push = Inside(guide, BareEncoder(pipe, family, encoder), asked(guide.settings, family.strengths(pipe), scale))
            return stack.enter_context(hung(pipe, family, push, scale, before))
    push = (Separate if guide.settings.push == "separate" else Joined)(guide, encoder)
    if guide.settings.inside:
        push.withdraw(0)
    return stack.enter_context(hung(pipe, family, push, scale, before))


def _looks(
    pipe: Any, guide: Guide, adapter: Adapter | None, decoder: Decoder, save_x0: SaveX0 | None
) -> Callable[[int, Tensor, Any, Tensor], None]:
    """What is to be done where the scheduler is given the model's prediction: the guide sees x0."""

    def look(call: int, model_output: Tensor, timestep: Any, sample: Tensor) -> None:
        if call == 0:  # only now are the scheduler's timesteps known: a second-order one has more than steps
            guide.clock = Clock(guide.clock.steps, len(pipe.scheduler.timesteps))
        if save_x0 or guide.wants(call):
            with guide.guarded(call):
                seen = adapter.plain(model_output) if adapter else model_output
                x0, sigma = predicted_x0(pipe.scheduler, seen, timestep, sample)
                guide.observe(call, sigma, x0)
                if save_x0:
                    save_x0(call, float(timestep), decoder(x0))
        if adapter:
            adapter.step_ended()

    return look


def _pictures(drawn: Any) -> list[Image.Image]:
    """The pictures of what a pipeline gave, under any of the names for them; of a video the middle frame."""
    images = getattr(drawn, "images", getattr(drawn, "image", None))
    return list(images) if images is not None else [frames[len(frames) // 2] for frames in drawn.frames]
