"""Attention to groups of tokens that are read apart and put together, so that what two readings share is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .tokens import Attend, Kernel, Tokens, attended, join

# of scaled_dot_product_attention, which calls the same
KERNELS = {"cpu": "_scaled_dot_product_flash_attention_for_cpu", "cuda": "_scaled_dot_product_flash_attention"}


@dataclass(frozen=True)
class Reading:
    """What queries read of a group, z [B, H, Lq, d], and `weight` [B, H, Lq], log sum exp of the logits."""

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


def readings(attend: Attend, q: Tensor, *groups: Tokens) -> list[Reading] | None:
    """What q reads of each as by `attend`; None where torch has no such kernel that tells how much weight it gave."""
    scale = attend.scale() if isinstance(attend, Kernel) else {}
    if scale is None:
        return None
    found = []
    for tokens in groups:
        reading = _reading(q, tokens, scale)
        if reading is None:
            return None
        found.append(reading)
    return found


def read_beside(q: Tensor, shared: Tokens, others: Sequence[Tokens], attend: Attend) -> list[Tensor]:
    """Attention of q [B, H, Lq, d] to `shared` with each of `others`, in the shape of q; `shared` is read once.

    Where that is not to be had, each is an attention of its own by `attend`.
    """
    found = readings(attend, q, *others, shared)
    if found is None:
        return [attended(attend, q, join(shared, tokens)) for tokens in others]
    return [found[-1].beside(reading).z for reading in found[:-1]]


def _reading(q: Tensor, tokens: Tokens, scale: dict[str, float]) -> Reading | None:
    kernel, bias = getattr(torch.ops.aten, KERNELS.get(q.device.type, ""), None), tokens.bias
    if kernel is None or any(each.shape[:2] != q.shape[:2] for each in (tokens.k, tokens.v)):
        return None  # not every one shares fewer heads, and of fewer rows it reads beyond the end, unchecked
    if bias is not None and q.device.type != "cpu":  # flash attention takes none on CUDA
        return None
    try:
        z, weight, *_ = kernel(q, tokens.k, tokens.v, **scale, **({} if bias is None else {"attn_mask": bias}))
    except RuntimeError:  # a precision, a width or a card that it is not made for
        return None
    if bias is not None:  # it gives 0 for those who see nothing, and two infinities would have no shares
        weight = weight.masked_fill(~(bias > -torch.inf).any(-1), torch.finfo(weight.dtype).min)
    return Reading(z, weight)
