"""A push inside attention: the negative is read behind the prompt, in the model call that there is anyway."""

from __future__ import annotations

from ..attention.push import AttentionPush
from ..guide import Guide
from .call import Answers, ModelCall, Side
from .push import Encoder, Push, where


class Inside(Push):
    """Pushes the cond's rows away from the user's own negative prompt and the terms behind it, from the first step on.

    `encoder` gives the texts without their padding. Above CFG 1 it acts beside the host's CFG.
    """

    def __init__(self, guide: Guide, encoder: Encoder, method: AttentionPush):
        super().__init__(guide, encoder)
        self.method = method

    def answers(self, call: ModelCall) -> Answers:
        """As the base."""
        clock = self.guide.clock
        if self.method.at(clock.step(call.number) / clock.steps):
            prompts = self.guide.negatives(call.number) or self.guide.record.negatives
            rows = where(call, Side.COND, [bool(prompt.strip()) for prompt in prompts])
            call = call.append(self.encoded(call, rows, prompts), self.method) if rows else call
        return (yield call)[0]
