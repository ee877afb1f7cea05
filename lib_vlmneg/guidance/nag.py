"""Normalized Attention Guidance: extrapolation between two attentions, held in bounds (Chen et al., arXiv 2505.21179)."""

from __future__ import annotations

import torch
from torch import Tensor


def nag(positive: Tensor, negative: Tensor, phi: float, tau: float, alpha: float) -> Tensor:
    """Zt = Z+ + phi (Z+ - Z-); Zh = min(R, tau) / R Zt, R = |Zt|_1 / |Z+|_1 per token; Z = alpha Zh + (1 - alpha) Z+.

    positive, negative: what attention gives for the two prompts, [..., features] with the heads merged. phi >= 0 is the
    strength (the public code's nag_scale is phi + 1), tau >= 1 the bound on the norm's growth, alpha in 0..1 the share of
    the result. arXiv 2505.21179.
    """
    pushed = torch.lerp(negative, positive, 1 + phi)
    mean = positive.new_full((positive.shape[-1], 1), 1 / positive.shape[-1])  # |z|_1 itself may be beyond float16
    norm, ratio = (z.abs() @ mean for z in (positive, pushed))
    ratio = ratio.float() / norm.float().clamp(min=torch.finfo(torch.float32).tiny)
    bounded = pushed * (tau / ratio.clamp(min=tau)).to(pushed.dtype)
    return torch.lerp(positive, bounded, alpha)
