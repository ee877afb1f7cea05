"""Value Sign Flip: a negative inside one attention (Guo & Du, arXiv 2508.10931)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def vsf(
    q: Tensor,
    k_positive: Tensor,
    v_positive: Tensor,
    k_negative: Tensor,
    v_negative: Tensor,
    alpha: float,
    beta: float,
    bias: Tensor | None = None,
    attend: Callable[..., Tensor] = scaled_dot_product_attention,
) -> Tensor:
    """Z = softmax(Q [K+; K-]^T / sqrt(d) + [0; -beta]) [V+; -alpha V-].

    q [B, H, Lq, d]; k and v [B, H, L, d]. alpha >= 0 is the strength, beta >= 0 holds the negative's share of the attention
    down; an infinite beta leaves the positive alone. alpha = 0 is not off: the negative then takes its share and gives
    nothing. Equal to W Z+ - alpha (1 - W) Z-, where W is the share of all attention that falls on the positive.
    `bias`, broadcastable to [B, H, Lq, L+ + L-], is added to the logits; `attend` has the signature of torch's kernel.
    """
    if beta:
        push = q.new_zeros(1, 1, 1, k_positive.shape[2] + k_negative.shape[2])
        push[..., k_positive.shape[2] :].fill_(-beta)
        bias = push if bias is None else bias + push
    k = torch.cat([k_positive, k_negative], 2)
    v = torch.cat([v_positive, -alpha * v_negative], 2)
    return attend(q, k, v, attn_mask=bias)
