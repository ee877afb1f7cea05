"""SAFREE (Yoon et al. 2024, arXiv 2410.12761): the prompt is read filtered, beside whatever else pushes."""

from __future__ import annotations

from dataclasses import dataclass

from .call import ModelCall, Side, Text


@dataclass(frozen=True)
class Filtered:
    """`text` is what a cond's row reads in place of the prompt; `last` the last step in which it does."""

    text: Text
    last: int

    def __call__(self, call: ModelCall, step: int) -> ModelCall:
        """The call of that step, its cond's rows filtered."""
        return call.with_text(dict.fromkeys(call.of(Side.COND), self.text)) if step <= self.last else call
