"""Which tokens of a text there are, told in numbers that Python has: a device is never asked, which would wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Keep:
    """How many tokens of a group each row has, from its first on. Those behind them are padding, which nobody reads.

    `positive` is None where all of it is there.
    """

    negative: tuple[int, ...]
    positive: tuple[int, ...] | None = None


@lru_cache(maxsize=16)
def padding(lengths: tuple[int, ...], width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What hides all but the first `lengths[row]` of `width` tokens, to be added to the logits [rows, 1, 1, width].

    One for every attention of every model call that reads such texts, so it is not to be written to.
    """
    with torch.inference_mode(False):  # one made in it could not be read where gradients are kept
        mask = torch.full((len(lengths), 1, 1, width), -torch.inf, dtype=dtype, device=device)
        for row, length in enumerate(lengths):
            mask[row, :, :, :length].fill_(0)
    return mask


def additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A mask as torch's kernel takes it, True where it may look or numbers to add, as numbers to add."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
