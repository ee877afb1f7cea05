"""A separate push: the model is evaluated once more in a call, for the terms alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...guidance.dual import SCALE, away
from ...guide import Guide
from ...readers import or_auto
from . import branches
from .branches import Evaluate
from .conditioning import Encoder, rows_of
from .push import Push


class Separate(Push):
    """Pushes what the host's CFG gave away from the terms (guidance/dual.py); uncond stays the user's own negative prompt.

    Where the host leaves the uncond out (CFG 1 on Forge, early skipping, NGMS) it is evaluated here as well.
    """

    needs_uncond = False

    def __init__(self, p: Any, guide: Guide, encoder: Encoder):
        super().__init__(p, guide, encoder)
        self._null_encoder = encoder.another()
        self._scale = or_auto(guide.settings.push_scale, SCALE)
        self._off = self._scale == 0
        self._hung: branches.Hung | None = None
        self._taken: Tensor | None = None

    def before(self, call: int, params: Any) -> bool:
        """As the base."""
        self._hung = self._taken = None
        with self.guide.guarded(call):
            texts = None if self._off else self.guide.negative_terms(call, float(params.sigma[0]))
            if texts:
                self._hang(call, params, texts)
            return True
        self._off = True
        return True

    def after(self, call: int, x: Tensor) -> Tensor:
        """As the base: what plain CFG predicts, as in the paper. What is pushed away would else not be seen, and come back."""
        hung, taken = self._hung, self._taken
        self._hung = self._taken = None
        if hung is None:
            return x
        if hung.taken_off():
            with self.guide.guarded(call):
                raise RuntimeError("the host did not guide this call by CFG, so that a separate push has no place; push cfg")
            self._off = True
        return x if taken is None else x + taken * branches.share_of(hung.denoiser)

    def _hang(self, call: int, params: Any, texts: list[str]) -> None:
        own = list(self.guide.record.negatives)
        like = params.text_uncond
        if like is None:
            like = rows_of(params.text_cond, len(own))
        negative = self.encoded(self._encoder, texts, call, like, params.x)
        rows = torch.tensor([bool(text) for text in texts])

        def null() -> Any:
            if params.text_uncond is not None:
                return params.text_uncond
            return self.encoded(self._null_encoder, own, call, like, params.x)

        def push(guided: Tensor, predicted: Tensor | None, evaluate: Evaluate) -> Tensor:
            with self.guide.guarded(call):
                if predicted is None:
                    predicted = self._evaluated(evaluate, null())
                pushed = away(guided, predicted, self._evaluated(evaluate, negative), self._scale, rows)
                self._taken = guided - pushed
                return pushed
            self._off = True
            return guided

        self._hung = branches.hang(params, push)

    def _evaluated(self, evaluate: Evaluate, cond: Any) -> Tensor:
        predicted = evaluate(cond)
        self.guide.record.extra_calls += 1
        return predicted
