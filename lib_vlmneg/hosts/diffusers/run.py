"""One generation with diffusers: the guide hears x0 from the scheduler, and a push acts in the denoiser's calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

from PIL import Image
from torch import Tensor

from ... import __version__
from ...attention.asked import asked
from ...decode import Decoder
from ...guide import Guide, Watcher
from ...oracles.base import Oracle
from ...push.call import ModelCall
from ...push.filtered import Filtered
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
from .families import family_of, steered
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
        filtered = safree(pipe, family, request.prompt, request.steps, request.safree) if request.safree else None
        adapter = None
        if filtered or (family and (settings.enabled or _puts_in(family, guide))):
            length = request.max_sequence_length
            adapter = _adapter(pipe, family, guide, request.guidance_scale, stack, length, filtered)
        stack.enter_context(guided(pipe, family, request.guidance_scale))
        stack.enter_context(between_steps(pipe.scheduler, _looks(pipe, guide, adapter, decoder, save_x0)))
        drawn = pipe(**given)
    guide.ended()
    guide.record.generation["seconds"] = round(time.perf_counter() - began, 3)
    return _pictures(drawn), guide.record


@contextmanager
def pushed(
    pipe: Any, settings: Settings, negatives: Sequence[str], steps: int, guidance_scale: float = 1.0
) -> Iterator[Record]:
    """While entered, what the pipeline draws is pushed away from these texts, one a picture, in each step; gives the record.

    It is for what `draw` does not return: the frames of a video, latents. The pipeline is to be called with this scale
    and number of steps. Raises InputError for what it cannot do.
    """
    settings = replace(settings, enabled=True)
    check_push(pipe, settings, guidance_scale)
    own, timelines = list(negatives), []
    if not settings.inside:  # there the negative is a term: the pipeline's own negative prompt stays what it is called with
        own, timelines = [""] * len(negatives), [Timeline({0: (text,)} if text else {}) for text in negatives]
    guide = Guide(settings, Clock(steps, steps), [""] * len(negatives), own, timelines=timelines)
    with ExitStack() as stack:
        adapter = _adapter(pipe, steered(pipe), guide, guidance_scale, stack)
        stack.enter_context(between_steps(pipe.scheduler, lambda *_: adapter.step_ended()))
        yield guide.record
    guide.ended()


def _puts_in(family: Family, guide: Guide) -> bool:
    """Whether there is a negative prompt that the pipeline does not take."""
    return family.negative is not None and any(negative != family.negative for negative in guide.record.negatives)


def _adapter(
    pipe: Any,
    family: Family,
    guide: Guide,
    scale: float,
    stack: ExitStack,
    length: int | None = None,
    filtered: Filtered | None = None,
) -> Adapter:
    """Hangs the push on the pipeline for as long as `stack` is open."""
    encoder = Encoder(pipe, family, guide.record.negatives, length)
    put_in = PutIn(encoder, guide.record.negatives) if _puts_in(family, guide) else None

    def before(call: ModelCall) -> ModelCall:
        call = put_in(call) if put_in else call
        return filtered(call, guide.clock.step(call.number)) if filtered else call

    change = before if put_in or filtered else None
    stack.enter_context(encoder.recorded())
    if guide.settings.inside:
        with guide.guarded(0):
            method, note = asked(guide.settings, family.strengths(pipe), scale)
            guide.note(note)
            push = Inside(guide, BareEncoder(pipe, family, encoder), method)
            return stack.enter_context(hung(pipe, family, push, scale, change))
    push = (Separate if guide.settings.push == "separate" else Joined)(guide, encoder)
    if guide.settings.inside:
        push.withdraw(0)
    return stack.enter_context(hung(pipe, family, push, scale, change))


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
