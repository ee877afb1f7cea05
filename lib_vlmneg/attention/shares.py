"""Attention to groups of tokens that are read apart and put together, so that what two readings share is read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .tokens import Kernel, Tokens, attended, join

# of scaled_dot_product_attention, which calls the same
KERNELS = {"cpu": "_scaled_dot_product_flash_attention_for_cpu", "cuda": "_scaled_dot_product_flash_attention"}


def read_beside(q: Tensor, shared: Tokens, others: Sequence[Tokens], attend: Kernel) -> list[Tensor]:
    """Softmax attention of q [B, H, Lq, d] to `shared` with each of `others`, in the shape of q; `shared` is read once.

    The logits are q k^T / sqrt(d). Where torch has no kernel that tells how much weight it gave, each is an attention of
    its own by `attend`.
    """
    read = [weighed(q, tokens) for tokens in others]
    first = weighed(q, shared) if None not in read else None
    if first is None:
        return [attended(attend, q, join(shared, tokens)) for tokens in others]
    return [together(*first, *other) for other in read]


def together(z: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    """What attention to both groups reads, from what it reads of each.

    z, other [B, H, Lq, d]; the weights are log sum exp of each group's logits [B, H, Lq]:
    Z = (e^a Z_a + e^b Z_b) / (e^a + e^b), as flash attention puts its blocks together (Dao et al., arXiv 2205.14135).
    """
    share = torch.sigmoid(other_weight - weight).unsqueeze(-1)
    return torch.lerp(z, other, share.to(z.dtype))


def weighed(q: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor] | None:
    """What q reads [B, H, Lq, d] and log sum exp of its logits [B, H, Lq]; None where no kernel of torch tells."""
    kernel = getattr(torch.ops.aten, KERNELS.get(q.device.type, ""), None)
    named = {}
    if q.device.type == "cpu":
        named["attn_mask"] = tokens.bias
    elif tokens.bias is not None:  # flash attention takes none on CUDA
        return None
    if kernel is None:
        return None
    try:
        read, weight, *_ = kernel(q, tokens.k, tokens.v, **named)
    except RuntimeError:  # a precision, a width or a card that it is not made for
        return None
    return read, weight
