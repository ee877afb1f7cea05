"""A separate push: the denoiser is evaluated once more in a step, for the terms alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...guidance.cfg import cfg
from ...guidance.dual import SCALE, away
from ...guide import Guide
from ...readers import or_auto
from .denoiser import as_written
from .negatives import Encoding, encode, is_text, like
from .push import Push

MOST_APART = 0.02  # of its norm, by half-precision rounding


@dataclass(frozen=True)
class _Call:
    """What the denoiser was given and what it made of it."""

    args: tuple
    kwargs: dict[str, Any]
    output: Tensor


class Separate(Push):
    """Pushes what the scheduler is given away from the terms, as guidance/dual.py says.

    A pipeline evaluates its uncond stacked before the prompt, or in a second call, or (guidance scale 1) not at all; then the
    null is evaluated here as well. The inputs of that call, with another text, are the third branch's. Whether the pipeline
    guides by plain CFG is checked at each step: where it does not, RuntimeError says so and the picture goes on without.
    """

    def __init__(self, pipe: Any, guide: Guide, guidance_scale: float, max_sequence_length: int | None = None):
        self._pipe, self._guide, self._g = pipe, guide, guidance_scale
        self._images = len(guide.record.prompts)
        self._calls: list[_Call] = []
        self._encodings: dict[tuple[str, ...], Encoding] = {}
        self._scale = or_auto(guide.settings.push_scale, SCALE)
        self._off = self._scale == 0
        self._inside, self._length = False, max_sequence_length

    @contextmanager
    def attached(self) -> Iterator[None]:
        """As the base."""
        with as_written(self._pipe) as self._denoiser:
            hook = self._denoiser.register_forward_hook(self._after, with_kwargs=True)
            try:
                yield
            finally:
                hook.remove()
                self._calls.clear()

    def guided(self, call: int, model_output: Tensor) -> Tensor:
        """As the base."""
        calls, self._calls = self._calls, []
        if self._off:
            return model_output
        with self._guide.guarded(call):
            texts = self._guide.negative_terms(call)
            return self._pushed(call, model_output, calls, texts) if texts else model_output
        self._off = True
        return model_output

    def _after(self, module: torch.nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> None:
        if not self._inside and not self._off:
            self._calls.append(_Call(args, kwargs, output[0]))

    def _pushed(self, call: int, model_output: Tensor, calls: list[_Call], texts: Sequence[str]) -> Tensor:
        branch, null, plain = self._seen(calls)
        if not _alike(plain, model_output):
            raise RuntimeError(f"{type(self._pipe).__name__} does not guide by plain CFG; choose the push cfg")
        if null is None:
            null = self._evaluated(branch, self._encoded(call, self._guide.record.negatives))
        negative = self._evaluated(branch, self._encoded(call, texts))
        rows = torch.tensor([bool(text) for text in texts])
        return away(model_output, null, negative, self._scale, rows)

    def _seen(self, calls: list[_Call]) -> tuple[_Call, Tensor | None, Tensor]:
        """The call to repeat, what it said of the null (None where nobody asked), and what plain CFG makes of it all."""
        sizes = [len(call.output) for call in calls]
        if sizes == [2 * self._images]:
            null, cond = calls[0].output.chunk(2)
            return self._first_half(calls[0]), null, cfg(cond, null, self._g)
        if sizes == [self._images, self._images]:  # the second is the negative's, in every such pipeline of diffusers
            return calls[1], calls[1].output, cfg(calls[0].output, calls[1].output, self._g)
        if sizes == [self._images]:
            return calls[0], None, calls[0].output
        raise RuntimeError(f"{type(self._pipe).__name__} calls its model in its own way; choose the push cfg")

    def _first_half(self, call: _Call) -> _Call:
        def half(_: str, value: Tensor) -> Tensor:
            return value[: self._images] if value.ndim and len(value) == 2 * self._images else value

        return _Call(_mapped(half, call.args), _mapped(half, call.kwargs), call.output[: self._images])

    def _evaluated(self, branch: _Call, text: Encoding) -> Tensor:
        replaced: list[str] = []

        def with_text(name: str, value: Tensor) -> Tensor:
            if not is_text(name):
                return value
            replaced.append(name)
            return like(value, text)

        kwargs = _mapped(with_text, branch.kwargs)
        if not replaced:
            raise RuntimeError(f"{type(self._pipe).__name__} keeps its text where it is not found; choose the push cfg")
        cached = getattr(self._denoiser, "cache_context", None)  # what caches blocks keeps a state for each branch
        self._inside = True
        try:
            with cached("negative") if cached else nullcontext():
                output = self._denoiser(*branch.args, **kwargs)[0]
        finally:
            self._inside = False
        self._guide.record.extra_calls += 1
        return output

    def _encoded(self, call: int, texts: Sequence[str]) -> Encoding:
        texts = tuple(texts)
        if texts not in self._encodings:
            began = time.perf_counter()
            own = self._guide.record.negatives
            self._encodings = {key: kept for key, kept in self._encodings.items() if key == own}
            self._encodings[texts] = encode(self._pipe, texts, self._length)
            self._guide.encoded(call, time.perf_counter() - began)
        return self._encodings[texts]


def _mapped(change: Callable[[str, Tensor], Tensor], value: Any, name: str = "") -> Any:
    """`value` with every tensor in it, however deep, changed; each goes by the name that it or its list has."""
    if isinstance(value, Tensor):
        return change(name, value)
    if isinstance(value, dict):
        return {key: _mapped(change, inner, key) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(change, inner, name) for inner in value)
    return value


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether they are the same but for rounding."""
    return one.shape == other.shape and bool((one.float() - other.float()).norm() <= MOST_APART * other.float().norm())
