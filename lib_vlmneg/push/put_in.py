"""Your negative prompt where the host's pipeline takes none, beside whatever else pushes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .call import ModelCall, Side
from .push import Encoder


@dataclass(frozen=True)
class PutIn:
    """The uncond's rows read these, one an image."""

    encoder: Encoder
    prompts: Sequence[str]

    def __call__(self, call: ModelCall) -> ModelCall:
        """The call with them in it."""
        rows = call.of(Side.UNCOND)
        texts = self.encoder.texts(self.prompts, call.number) if rows else []
        return call.with_text({row: texts[call.rows[row].image] for row in rows})
