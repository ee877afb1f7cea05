"""How the negatives get into a running pipeline: what every push may do, and ordinary CFG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ...guide import Guide
from .denoiser import as_written
from .negatives import Swapper


class Push:
    """One run's. `attached` is a context; within it the run tells what happens, `call` being the scheduler step from 0."""

    def tensor_inputs(self) -> list[str]:
        """Which of the pipeline's tensors its step-end callback must be handed."""
        return []

    def attached(self) -> AbstractContextManager[Any]:
        """Hangs on the pipeline's denoiser what it needs; nothing stays there."""
        return nullcontext()

    def guided(self, call: int, model_output: Tensor) -> Tensor:
        """What the scheduler is given in the place of `model_output`, which has the pipeline's own CFG in it."""
        return model_output

    def step_ended(self, call: int, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the step-end callback returns before call number `call`."""
        return {}


class Joined(Push):
    """The terms are part of the negative prompt, which CFG pushes away from."""

    def __init__(self, pipe: Any, guide: Guide, guidance_scale: float, max_sequence_length: int | None = None):
        self._pipe, self._guide, self._call = pipe, guide, 0
        self._swapper = Swapper(
            pipe, guide.record.negatives, lambda seconds: guide.encoded(self._call, seconds), max_sequence_length
        )

    def tensor_inputs(self) -> list[str]:
        """As the base."""
        return self._swapper.tensor_inputs()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """As the base."""
        if self._swapper.callback_takes_it():
            yield
            return
        with as_written(self._pipe) as denoiser, denoiser.register_forward_pre_hook(self._before, with_kwargs=True):
            yield

    def step_ended(self, call: int, inputs: dict[str, Any]) -> dict[str, Any]:
        """As the base."""
        self._call = call
        with self._guide.guarded(call):
            self._swapper.use(self._guide.negatives(call))
            return self._swapper.in_callback(inputs)
        return {}

    def _before(self, module: torch.nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        with self._guide.guarded(self._call):
            return self._swapper.before_denoiser(module, args, kwargs)
        return None
