"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598, eq. 6)."""

from __future__ import annotations

from torch import Tensor


def cfg(cond: Tensor, uncond: Tensor, g: float) -> Tensor:
    """eps_0 + g (eps_c - eps_0): predictions [B, ...] of one model, all of one kind (eps, v or x0).

    g is the guidance scale: 1 is the prompt alone, 0 the uncond alone.
    """
    return uncond + g * (cond - uncond)


def without_push(g: float) -> str | None:
    """What a negative prompt does at a scale at which it pushes nothing away; None above 1."""
    if g > 1:
        return None
    return "does nothing" if g == 1 else "is what the picture is drawn towards"
