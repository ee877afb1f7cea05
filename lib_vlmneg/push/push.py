"""What every push is: a generator around one call of the denoiser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from ..guide import Guide
from .call import Answers, ModelCall, Side, Text, Texts

Make = Callable[[ModelCall], "list[Tensor]"]


class Encoder(Protocol):
    """The host's text encoders."""

    def texts(self, prompts: Sequence[str], number: int) -> Sequence[Text]:
        """What the rows of each image read of its prompt, one an image, at call `number`."""

    def has(self, prompts: Sequence[str], number: int) -> bool:
        """Whether that is there already."""


class Push:
    """How the terms act. One for each run, or each pass of it.

    What goes wrong in it is said once, by the guide; the call is then made as the host would have made it, and so are all
    that follow.
    """

    def __init__(self, guide: Guide, encoder: Encoder):
        self.guide, self.encoder = guide, encoder
        self.off = False

    def answers(self, call: ModelCall) -> Answers:
        """Yields the call that is to be made and, sent its answers, returns those to go on with."""
        raise NotImplementedError

    def taken(self, image: int) -> Tensor | None:
        """What the step under way has taken from the guided prediction of an image, so that the oracle may see it without."""
        return None

    def withdraw(self, number: int) -> None:
        """Acts no more, from this call on, and the record does not say that it does."""
        self.off = True
        self.guide.withdrawn(number)

    def encoded(self, call: ModelCall, rows: Sequence[int], prompts: Sequence[str]) -> Texts:
        """What these rows read of their image's prompt; the record is told how long encoding took."""
        if not rows:
            return {}
        began, kept = time.perf_counter(), self.encoder.has(prompts, call.number)
        texts = self.encoder.texts(prompts, call.number)
        if not kept:
            self.guide.encoded(call.number, time.perf_counter() - began)
        return {row: texts[call.rows[row].image] for row in rows}


def where(call: ModelCall, side: Side, differs: Sequence[bool]) -> list[int]:
    """The rows of that side whose image is one of those."""
    return [row for row in call.of(side) if differs[call.rows[row].image]]


class Turn:
    """One call in the hands of a push: `wanted` is what the host is to make of it."""

    def __init__(self, push: Push, call: ModelCall):
        self._push, self._call = push, call
        self._answers = push.answers(call)
        self.wanted = next(self._answers)

    def over(self, answers: list[Tensor]) -> Tensor:
        """Takes what the wanted call came to; gives the answers that the host goes on with."""
        self.reached()
        try:
            self._answers.send(answers)
        except StopIteration as over:
            return over.value
        raise RuntimeError(f"{type(self._push).__name__} asks for a second call")

    def reached(self) -> None:
        """Has the record count the images whose rows read another text."""
        self._push.guide.reached(self._call.number, {row.image for row in self.wanted.changed_from(self._call)})


def made(push: Push, call: ModelCall, make: Make) -> Tensor:
    """The answers of one call, with the push in it where nothing goes wrong."""
    if not push.off:
        with push.guide.guarded(call.number):
            turn = Turn(push, call)
            return turn.over(make(turn.wanted))
        push.withdraw(call.number)
    return make(call)[0]
