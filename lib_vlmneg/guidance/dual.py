"""A negative with a scale of its own (Chang, Kim and Choi 2025, VL-DNP, arXiv 2510.26052)."""

from __future__ import annotations

import torch
from torch import Tensor

from .cfg import cfg

SCALE = 7.5  # where the user gives none


def dual(cond: Tensor, null: Tensor, negative: Tensor, g: float, w: float) -> Tensor:
    """eps = eps_0 + g (eps_c - eps_0) - w (eps_neg - eps_0): the prompt and the negative are both measured from the null.

    The weights of the three add up to 1. x0 = (x - sigma eps) / alpha and v are affine in eps at one x, with the same
    coefficients for all three, so the same formula holds for predictions [B, ...] as eps, as v (also a flow's) and as x0.

    With w = 0 it is CFG, and with w = g - 1 it is eps_neg + g (eps_c - eps_neg), CFG with the negative in the place of the
    null. CFG can push no harder than that; the paper's w are 5 to 20.
    """
    return away(cfg(cond, null, g), null, negative, w)


def away(guided: Tensor, null: Tensor, negative: Tensor, w: float, rows: Tensor | None = None) -> Tensor:
    """The last term alone, for a host that has done the others: guided - w (negative - null).

    `rows` [B] says of which images there is a negative; the others stay `guided`, bit for bit.
    """
    pushed = guided - w * (negative - null)
    if rows is None:
        return pushed
    return torch.where(rows.to(guided.device).reshape(-1, *[1] * (guided.ndim - 1)), pushed, guided)
