"""Negative-Away Steer Attention: one attention less another (SNOOPI, Nguyen et al., arXiv 2412.02687)."""

from __future__ import annotations

import torch
from torch import Tensor


def nasa(positive: Tensor, negative: Tensor, phi: float) -> Tensor:
    """Z = Z+ - phi Z-, for what attention gives for the two prompts, in one shape; phi >= 0."""
    return torch.sub(positive, negative, alpha=phi)
