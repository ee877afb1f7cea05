"""A push inside attention: the negative is read beside the prompt, in the model call that there is anyway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ...attention.asked import asked
from ...guide import Guide
from .attention import Attachment, attached
from .families import strengths_of
from .push import Push


class Inside(Push):
    """Pushes away from the user's own negative prompt and the terms behind it, from the first step on.

    Above CFG 1 it acts on the prompt's rows, beside the pipeline's CFG. What cannot be attached is said, and the picture is
    drawn without.
    """

    def __init__(self, pipe: Any, guide: Guide, guidance_scale: float, max_sequence_length: int | None = None):
        self._pipe, self._guide, self._cfg = pipe, guide, guidance_scale
        self._images, self._call = len(guide.record.prompts), 0
        self._attachment: Attachment | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """As the base."""
        if not self._guide.settings.enabled:
            yield
            return
        with ExitStack() as stack:
            with self._guide.guarded(0):
                push = asked(self._guide.settings, strengths_of(self._pipe), self._cfg)
                context = attached(self._pipe, push, self._images, lambda: self._guide.guarded(self._call))
                self._attachment = stack.enter_context(context)
                self._use()
            yield

    def step_ended(self, call: int, inputs: dict[str, Any]) -> dict[str, Any]:
        """As the base."""
        self._call = call
        if self._attachment:
            with self._guide.guarded(call):
                self._use()
        return {}

    def _use(self) -> None:
        """The texts and the share of the run for the next model call."""
        clock = self._guide.clock
        began = time.perf_counter()
        texts = self._guide.negatives(self._call) or self._guide.record.negatives
        self._attachment.at(clock.step(self._call) / clock.steps)
        if self._attachment.use(texts):
            self._guide.encoded(self._call, time.perf_counter() - began)
