"""Attention to groups of tokens that are read apart and put together, so that what two readings share is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .tokens import Kernel, Tokens, attended, join

# of scaled_dot_product_attention, which calls the same
KERNELS = {"cpu": "_scaled_dot_product_flash_attention_for_cpu", "cuda": "_scaled_dot_product_flash_attention"}


@dataclass(frozen=True)
class Reading:
    """What queries read of a group, z [B, H, Lq, d], and `weight` [B, H, Lq], log sum exp of the logits q k^T / sqrt(d)."""

    z: Tensor
    weight: Tensor

    def beside(self, other: Reading) -> Reading:
        """What attention to both groups reads: Z = (e^a Z_a + e^b Z_b) / (e^a + e^b); in the memory of `other`.

        So does flash attention put its blocks together (Dao et al., arXiv 2205.14135).
        """
        share = torch.sigmoid(self.weight - other.weight).unsqueeze(-1)
        return Reading(other.z.lerp_(self.z, share.to(self.z.dtype)), torch.logaddexp(self.weight, other.weight))

    def held_down(self, offset: float) -> Reading:
        """As with logits that are `offset` lower."""
        return Reading(self.z, self.weight - offset)


def readings(q: Tensor, *groups: Tokens) -> list[Reading] | None:
    """What q reads of each; None where torch has no kernel that tells how much weight it gave."""
    found = []
    for tokens in groups:
        reading = _reading(q, tokens)
        if reading is None:
            return None
        found.append(reading)
    return found


def read_beside(q: Tensor, shared: Tokens, others: Sequence[Tokens], attend: Kernel) -> list[Tensor]:
    """Attention of q [B, H, Lq, d] to `shared` with each of `others`, in the shape of q; `shared` is read once.

    Where that is not to be had, each is an attention of its own by `attend`.
    """
    found = readings(q, *others, shared)
    if found is None:
        return [attended(attend, q, join(shared, tokens)) for tokens in others]
    return [found[-1].beside(reading).z for reading in found[:-1]]


def _reading(q: Tensor, tokens: Tokens) -> Reading | None:
    kernel = getattr(torch.ops.aten, KERNELS.get(q.device.type, ""), None)
    named = {}
    if q.device.type == "cpu":
        named["attn_mask"] = tokens.bias
    elif tokens.bias is not None:  # flash attention takes none on CUDA
        return None
    if kernel is None:
        return None
    try:
        z, weight, *_ = kernel(q, tokens.k, tokens.v, **named)
    except RuntimeError:  # a precision, a width or a card that it is not made for
        return None
    return Reading(z, weight)
