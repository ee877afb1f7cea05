"""One call of a denoiser made as a push wants it: with other texts, and once more for further ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ...devices import has_room
from ...push.call import ModelCall
from .attention import Reading, appended
from .control import Control
from .families.family import Family
from .inputs import Inputs, Text, chosen_rows, groups, with_texts

Wanted = Sequence["tuple[int, Text | None]"]  # rows of the call, and the text that each reads; None for its own


class Evaluation:
    """`plain` is the denoiser as the pipeline would have called it with `inputs`; `extra` counts texts evaluated beside.

    `batch` says whether those are evaluated in one call, or one each: see the setting push_batch.
    """

    def __init__(
        self,
        family: Family,
        module: nn.Module,
        plain: Callable[..., Any],
        inputs: Inputs,
        reading: Reading | None = None,
        control: Control | None = None,
        batch: str = "auto",
    ):
        self._batch, self._control = batch, control
        self._family, self._module, self._plain, self._inputs, self._reading = family, module, plain, inputs, reading
        self._first: Any = None  # what the denoiser gave, as it gave it
        self.extra = 0

    def make(self, call: ModelCall) -> list[Tensor]:
        """The call's own answers [rows, ...], then those of each `again`, in the order of its rows."""
        self._first = None
        own = self._own(call)
        self.extra = len(call.extra)
        if self.extra < 2 or not self._in_one(own):
            return [own, *(self._beside(list(texts.items()), number) for number, texts in enumerate(call.extra))]
        every = self._beside([pair for texts in call.extra for pair in texts.items()], 0)
        return [own, *every.split([len(texts) for texts in call.extra])]

    def _in_one(self, own: Tensor) -> bool:
        """Whether the texts beside the own may be one call. What caches blocks keeps a state for each of them."""
        if getattr(self._module, "is_cache_enabled", False):
            return False
        return self._batch == "one" or (self._batch == "auto" and has_room(own.device, 2.5))

    def _beside(self, wanted: Wanted, number: int) -> Tensor:
        with self._cached(number):
            return self._evaluated(wanted, self._control)

    def output(self, answers: Tensor) -> Any:
        """What the pipeline is given: as the denoiser gave it, with these answers in it."""
        first = self._first
        if answers is _answer(first):
            return first
        value = list(answers.unbind(0)) if isinstance(_answer(first), list) else answers
        if isinstance(first, tuple):
            return (value, *first[1:])
        first.sample = value
        return first

    def _own(self, call: ModelCall) -> Tensor:
        wanted = [(row, call.texts.get(row)) for row in range(len(call.rows))]
        if not call.appended:
            return self._evaluated(wanted)
        inputs, text = appended(with_texts(self._inputs, self._family, call.texts), self._family, call.appended, call.method)
        with self._reading.of(text):
            return self._called(inputs)

    def _evaluated(self, wanted: Wanted, control: Control | None = None) -> Tensor:
        """The answers to these rows; those whose texts are of another length in a call of their own, as they would be alone."""
        parts = groups(self._inputs, self._family, wanted)
        if len(parts) == 1:
            return self._of_group(wanted, control)
        found: dict[int, Tensor] = {}
        for part in parts:
            found |= zip(part, self._of_group([wanted[number] for number in part], control).unbind(0))
        return torch.stack([found[number] for number in range(len(wanted))])

    def _of_group(self, wanted: Wanted, control: Control | None) -> Tensor:
        inputs = chosen_rows(self._inputs, self._family, [row for row, _ in wanted])
        inputs = control.given_to(inputs, wanted) if control else inputs
        texts = {number: text for number, (_, text) in enumerate(wanted) if text is not None}
        return self._called(with_texts(inputs, self._family, texts))

    def _called(self, inputs: Inputs) -> Tensor:
        output = self._plain(**inputs)
        self._first = output if self._first is None else self._first
        answer = _answer(output)
        answer = self._family.answer(inputs, answer) if self._family.answer else answer
        return torch.stack(answer) if isinstance(answer, list) else answer

    def _cached(self, number: int) -> AbstractContextManager[Any]:
        """What caches blocks keeps a state for each branch: this is one of its own."""
        cached = getattr(self._module, "cache_context", None)
        return cached(f"negative {number}") if cached else nullcontext()


def _answer(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output.sample
