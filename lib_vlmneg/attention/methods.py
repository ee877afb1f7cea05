"""The methods that push inside attention, with their strengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce

import torch
from torch import Tensor

from ..errors import InputError
from ..guidance.nag import nag
from ..guidance.nasa import nasa
from ..guidance.vsf import vsf
from .shares import Reading, read_beside, readings
from .tokens import Attend, Tokens, attended, join, joined_bias


class Method:
    """How image tokens read a positive and a negative group of tokens."""

    name: str

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, number(f"{self.name}_{field.name}", getattr(self, field.name)))

    def __call__(self, q: Tensor, positive: Tokens, negative: Tokens, attend: Attend, shared: Tokens | None = None) -> Tensor:
        """What queries [B, H, Lq, d] take away, in their shape. A row that sees no token of the negative is as without it.

        `shared` is what is read beside either, as the image is in joint attention.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ValueSignFlip(Method):
    """`scale` is alpha and `offset` beta of guidance.vsf. Raises InputError for what is no number from 0 up."""

    scale: float = 1.0
    offset: float = 0.1
    name = "vsf"

    def __call__(self, q: Tensor, positive: Tokens, negative: Tokens, attend: Attend, shared: Tokens | None = None) -> Tensor:
        """As in Method: one attention, in parts where torch tells their shares, since a bias would cost its fastest kernel."""
        flipped = Tokens(negative.k, -self.scale * negative.v, negative.bias)
        found = readings(attend, q, positive, flipped, *([shared] if shared else []))
        if found is None:
            seen = join(shared, positive) if shared else positive
            bias = joined_bias(seen, negative)
            return vsf(q, seen.k, seen.v, negative.k, negative.v, self.scale, self.offset, bias, attend)
        plain, away, *others = found
        plain = reduce(Reading.beside, others, plain)
        return _where_seen(negative, plain.beside(away.held_down(self.offset)).z, plain.z)


@dataclass(frozen=True)
class NormalizedAttention(Method):
    """`scale`, `tau` and `alpha` are phi, tau and alpha of guidance.nag. Raises InputError for what is out of range."""

    scale: float = 4.0
    tau: float = 2.5
    alpha: float = 0.25
    name = "nag"

    def __post_init__(self) -> None:
        super().__post_init__()
        number("nag_tau", self.tau, low=1.0)
        number("nag_alpha", self.alpha, high=1.0)

    def __call__(self, q: Tensor, positive: Tokens, negative: Tokens, attend: Attend, shared: Tokens | None = None) -> Tensor:
        """As in Method: two attentions over the same queries, in which what they share is read once."""
        plain, away = _both(q, positive, negative, attend, shared)
        merged = (z.transpose(1, 2).flatten(2) for z in (plain, away))  # the norms are a token's, over all heads
        pushed = nag(*merged, self.scale, self.tau, self.alpha).unflatten(-1, (q.shape[1], -1)).transpose(1, 2)
        return _where_seen(negative, pushed, plain)


@dataclass(frozen=True)
class NegativeAway(Method):
    """`scale` is phi of guidance.nasa. Raises InputError for what is no number from 0 up."""

    scale: float = 0.25
    name = "nasa"

    def __call__(self, q: Tensor, positive: Tokens, negative: Tokens, attend: Attend, shared: Tokens | None = None) -> Tensor:
        """As in Method: two attentions over the same queries, in which what they share is read once."""
        plain, away = _both(q, positive, negative, attend, shared)
        return _where_seen(negative, nasa(plain, away, self.scale), plain)


def _both(q: Tensor, positive: Tokens, negative: Tokens, attend: Attend, shared: Tokens | None) -> Sequence[Tensor]:
    """Z+ and Z-."""
    if shared is None:
        return attended(attend, q, positive), attended(attend, q, negative)
    return read_beside(q, shared, (positive, negative), attend)


def _where_seen(negative: Tokens, pushed: Tensor, plain: Tensor) -> Tensor:
    """`plain` where all of the negative is hidden: attention over nothing is not a number."""
    if negative.bias is None:
        return pushed
    return torch.where((negative.bias > -torch.inf).any(-1, keepdim=True), pushed, plain)


def number(field: str, value: object, low: float = 0.0, high: float = math.inf) -> float:
    """`value` as a number from `low` to `high`. Raises InputError."""
    allowed = f"a number from {low:g} up" if high == math.inf else f"a number from {low:g} to {high:g}"
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{field}: {value!r} is not a number; give {allowed}") from None
    if not (low <= found <= high and math.isfinite(found)):
        raise InputError(f"{field}: {value!r} is out of range; give {allowed}")
    return found


METHODS = {method.name: method for method in (ValueSignFlip, NormalizedAttention, NegativeAway)}
