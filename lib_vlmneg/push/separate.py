"""A negative with a strength of its own (VL-DNP, Chang et al. 2025, arXiv 2510.26052), whatever way the host guides."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..guidance.dual import SCALE
from ..guide import Guide
from ..readers import or_auto
from .call import Answers, ModelCall, Side
from .push import Encoder, Push, where


class Separate(Push):
    """Moves the uncond's prediction N to N + (w / pull) (neg - N): guidance, left as it is, then gives w (neg - N) less.

    That is eps_0 + g (eps_c - eps_0) - w (eps_neg - eps_0), equation 6 of VL-DNP, where the host guides linearly. Where no
    uncond is evaluated the cond's prediction is moved by -w (neg - null), and the null is evaluated here.
    """

    def __init__(self, guide: Guide, encoder: Encoder):
        super().__init__(guide, encoder)
        self._scale = or_auto(guide.settings.push_scale, SCALE)
        self._taken: dict[int, Tensor] = {}
        self._number = -1

    def answers(self, call: ModelCall) -> Answers:
        """As the base."""
        if call.number != self._number:
            self._number, self._taken = call.number, {}
        prompts = self.guide.negative_terms(call.number) if self._scale else None
        side = Side.UNCOND if call.pull else Side.COND
        rows = where(call, side, [bool(prompt) for prompt in prompts]) if prompts else []
        if not rows:
            return (yield call)[0]
        negative = self.encoded(call, rows, prompts)
        if call.pull:
            own, negatives = yield call.again(negative)
            return self._moved(call, own, rows, [own[row] for row in rows], negatives, -1 / call.pull)
        own, negatives, nulls = yield call.again(negative, self.encoded(call, rows, self.guide.record.negatives))
        return self._moved(call, own, rows, nulls, negatives, 1.0)

    def _moved(
        self, call: ModelCall, own: Tensor, rows: list[int], nulls: Sequence[Tensor], negatives: Sequence[Tensor], share: float
    ) -> Tensor:
        """The answers, with w (neg - null) taken from the rows, `share` times."""
        moved = own.clone()
        for row, null, negative in zip(rows, nulls, negatives, strict=True):
            taken = self._scale * (negative - null)
            self._taken[call.rows[row].image] = taken
            moved[row] -= share * taken
        return moved

    def taken(self, image: int) -> Tensor | None:
        """As the base: plain CFG is seen, as in the paper. What is pushed away would else not be seen, and come back."""
        return self._taken.get(image)
