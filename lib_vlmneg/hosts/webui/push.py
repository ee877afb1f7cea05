"""How the negatives get into a running pass: what every push may do, and ordinary CFG."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...guide import Guide
from . import host, memory
from .conditioning import Encoder


class Push:
    """One pass's. `before` and `after` frame each model call."""

    needs_uncond = True  # whether it does nothing where the host leaves the uncond out

    def __init__(self, p: Any, guide: Guide, encoder: Encoder):
        self.p, self.guide = p, guide
        self._encoder = encoder

    def before(self, call: int, params: Any) -> bool:
        """on_cfg_denoiser: brings the terms in force into this very call. False where they could do nothing in it."""
        raise NotImplementedError

    def after(self, call: int, x: Tensor) -> Tensor:
        """on_cfg_after_cfg: of what the call predicted, x0 or eps [B, C, h, w], that which the oracle is to see."""
        return x

    def left(self) -> None:
        """Takes off what still hangs on the model, where a call has not come to its end."""

    def encoded(self, encoder: Encoder, texts: Sequence[str], call: int, like: Any, x: Tensor) -> Any:
        """One row for each text, in the form of `like`; the record is told how long that took."""
        if encoder.has(texts, call):
            return encoder.encode(texts, call, like)
        began = time.perf_counter()
        with memory.borrowed(self.p, x):
            found = encoder.encode(texts, call, like)
        self.guide.encoded(call, time.perf_counter() - began)
        return found


class Joined(Push):
    """The terms are part of the negative prompt, which CFG pushes away from."""

    def before(self, call: int, params: Any) -> bool:
        """As the base."""
        if reason := host.uncond_unused(params, self.p):
            self.guide.record.generation.setdefault("unused", {}).setdefault(reason, []).append(call)
            return False
        with self.guide.guarded(call):
            if texts := self.guide.negatives(call, float(params.sigma[0])):
                params.text_uncond = self.encoded(self._encoder, texts, call, params.text_uncond, params.x)
        return True
