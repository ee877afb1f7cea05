"""The terms are part of the negative prompt, which guidance pushes away from (Ho & Salimans 2022, arXiv 2207.12598)."""

from __future__ import annotations

from .call import Answers, ModelCall, Side
from .push import Push, where


class Joined(Push):
    """The uncond's rows read the negative prompt with the terms behind it."""

    def answers(self, call: ModelCall) -> Answers:
        """As the base."""
        prompts = self.guide.negatives(call.number) if call.of(Side.UNCOND) else None
        if prompts:
            other = [prompt != own for prompt, own in zip(prompts, self.guide.record.negatives)]
            call = call.with_text(self.encoded(call, where(call, Side.UNCOND, other), prompts))
        return (yield call)[0]
