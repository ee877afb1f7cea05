"""The calls of a pipeline's denoiser as ModelCalls, made as a push wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...push.call import ModelCall
from ...push.inside import Inside
from ...push.push import Push, Turn, made
from .attention import Reading, attached
from .control import Control
from .denoiser import CONTROLS, DENOISERS, between
from .evaluation import Evaluation
from .families.family import Family
from .inputs import Inputs, bound, count_rows

Change = Callable[[ModelCall], ModelCall]


@contextmanager
def hung(pipe: Any, family: Family, push: Push, guidance_scale: float, before: Change | None = None) -> Iterator[Adapter]:
    """Hangs a push on a pipeline; nothing of it stays. Raises InputError for blocks of attention that are not there."""
    with ExitStack() as stack:
        reading = stack.enter_context(attached(pipe, family, push.method)) if isinstance(push, Inside) else None
        adapter = Adapter(pipe, family, push, guidance_scale, before, reading)
        stack.enter_context(between(pipe, DENOISERS, adapter.call))
        stack.enter_context(between(pipe, CONTROLS, adapter.control))
        yield adapter


class Adapter:
    """Stands between a pipeline and its denoiser for one run. It is told when the scheduler has taken a step.

    `before` changes a call before the push sees it; `reading` is where texts are read inside attention.
    """

    def __init__(
        self,
        pipe: Any,
        family: Family,
        push: Push,
        guidance_scale: float,
        before: Change | None = None,
        reading: Reading | None = None,
    ):
        self._family, self._push, self._before, self._reading = family, push, before, reading
        self._images = len(push.guide.record.prompts)
        self._pipe, self._scale = pipe, guidance_scale
        self._guided = family.guides(pipe, guidance_scale)
        self._step, self._nth = 0, 0
        self._control: Control | None = None

    def step_ended(self) -> None:
        """The scheduler has taken a step: the next call is of another."""
        self._step, self._nth = self._step + 1, 0

    def call(self, module: nn.Module, plain: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call of the denoiser, with the push in it."""
        nth, self._nth = self._nth, self._nth + 1
        control, self._control = self._control, None
        if self._family.opened or self._family.completed:
            with self._push.guide.guarded(self._step):
                args, kwargs, plain = (), self._opened(bound(module, args, kwargs)), self._completing(plain)
        found = self._found(module, args, kwargs, nth)
        if found is None:
            return plain(*args, **kwargs)
        inputs, wanted = found
        batch = self._push.guide.settings.push_batch
        evaluation = Evaluation(self._family, module, plain, inputs, self._reading, control, batch)
        answers = made(self._push, wanted, evaluation.make)
        self._push.guide.record.extra_calls += evaluation.extra
        return evaluation.output(answers)

    def control(self, module: nn.Module, plain: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """A call of a ControlNet, before that of the denoiser: its rows read what the denoiser's are to read."""
        found = self._found(module, args, kwargs, self._nth)
        if found is None or self._push.off:
            return plain(*args, **kwargs)
        inputs, call = found
        with self._push.guide.guarded(self._step):
            self._control = Control(self._family, plain, inputs)
            texts = Turn(self._push, call).wanted.texts
            return self._control.residuals([(row, texts.get(row)) for row in range(len(call.rows))])
        self._push.withdraw(self._step)
        return plain(*args, **kwargs)

    def _found(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], nth: int) -> tuple[Inputs, ModelCall] | None:
        """A call's inputs by name, and what it is; None where nothing is to be changed in it."""
        if self._push.off and self._before is None:
            return None
        with self._push.guide.guarded(self._step):
            inputs = bound(module, args, kwargs)
            rows = self._family.rows(count_rows(inputs, self._family), self._images, nth, self._guided)
            call = ModelCall(self._step, rows, self._pull(module))
            return inputs, self._before(call) if self._before else call
        self._push.withdraw(self._step)
        self._before = None
        return None

    def _opened(self, inputs: Inputs) -> Inputs:
        return self._family.opened(inputs) if self._family.opened else inputs

    def _completing(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """The denoiser, given what follows from the texts that it is to read."""
        completed = self._family.completed
        return (lambda **inputs: plain(**completed(inputs))) if completed else plain

    def _pull(self, module: nn.Module) -> float | None:
        """How far guidance goes away from what this denoiser predicts for the uncond."""
        scale = self._family.scale(self._pipe, module, self._scale) if self._family.scale else self._scale
        return self._family.pull(scale) if self._guided else None

    def plain(self, guided: Tensor) -> Tensor:
        """Of what guidance predicted in this step that which the oracle is to see: without the push, where that can be told."""
        taken = {image: self._push.taken(image) for image in range(self._images)}
        if not any(each is not None for each in taken.values()) or not self._family.is_linear(self._pipe):
            return guided
        rows = [row if taken[image] is None else row + self._reaches(taken[image], row) for image, row in enumerate(guided)]
        return torch.stack(rows)

    def _reaches(self, taken: Tensor, row: Tensor) -> Tensor:
        """What of it reaches the scheduler, which is not given a learned variance: that is in further channels."""
        taken = self._family.reaches(self._pipe, taken) if self._family.reaches else taken
        return self._family.sign * taken[: len(row)].reshape(row.shape)
