"""A push inside attention: the negative is read beside the prompt, in the model calls that the host makes anyway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from ...attention.asked import asked
from ...attention.negative import Negative
from ...guide import Guide
from . import attention, attention_forge, host, memory
from .attention_text import negative_of
from .conditioning import Encoder
from .push import Push


class Inside(Push):
    """Pushes away from the user's own negative prompt and the terms behind it, from the first step on.

    Above CFG 1 it acts on the prompt's rows, beside the host's CFG. It is attached for one model call at a time, so that
    nothing stays after an exception; what cannot be attached is said, and the picture is drawn without.
    """

    needs_uncond = False

    def __init__(self, p: Any, guide: Guide, encoder: Encoder):
        super().__init__(p, guide, encoder)
        self._off, self._hung = False, ExitStack()
        self._kept: tuple[Any, Negative | None] = (None, None)

    def before(self, call: int, params: Any) -> bool:
        """As the base."""
        self.left()
        if not self._off:
            with self._guarded(call):
                self._hang(call, params)
        if self._off:
            self.left()
        return True

    def after(self, call: int, x: Tensor) -> Tensor:
        """As the base."""
        self.left()
        return x

    def left(self) -> None:
        """As the base."""
        self._hung.close()

    @contextmanager
    def _guarded(self, call: int) -> Iterator[None]:
        """What goes wrong inside is said, and ends the push."""
        with self.guide.guarded(call):
            yield
            return
        self._off = True

    def _hang(self, call: int, params: Any) -> None:
        sigma, clock = float(params.sigma[0]), self.guide.clock
        texts = self.guide.negatives(call, sigma) or self.guide.record.negatives
        model = params.denoiser.inner_model.inner_model
        push = asked(self.guide.settings, attention.strengths_of(model), host.cfg_of(self.p))
        hang = attention_forge.hung if host.is_forge() else attention.hung
        attachment = self._hung.enter_context(hang(params, push, lambda: self._guarded(call)))
        attachment.pushing.progress = clock.step(call, sigma) / clock.steps
        attachment.pushing.negative = self._negative(texts, call, model, params.x)
        if attachment.pushing.wanted() is None:  # else attention would be computed by another kernel than the host's
            self.left()

    def _negative(self, texts: Any, call: int, model: Any, x: Tensor) -> Negative | None:
        forms = self._encoder.at(texts, call)
        key = (host.model_now(), forms)
        if self._kept[0] != key:
            began = time.perf_counter()
            with memory.borrowed(self.p, x):
                self._kept = (key, negative_of(forms, model, self._encoder.alone))
            self.guide.encoded(call, time.perf_counter() - began)
        return self._kept[1]
