"""Keys and values of a group of tokens, and the kernel that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .masks import padding

Attend = Callable[..., Tensor]  # attend(q, k, v, attn_mask=bias): a Kernel, or torch's own function for one without keywords


@dataclass(frozen=True)
class Kernel:
    """Torch's scaled_dot_product_attention with the keywords that a module called it with."""

    function: Callable[..., Tensor]
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        return self.function(q, k, v, attn_mask=attn_mask, **self.keywords)

    def scale(self) -> dict[str, Any] | None:
        """The keyword `scale` where it was given; None where another has an effect, or one that is not known.

        That of enable_gqa is on heads, of which there are then fewer in k and v.
        """
        others = {name: value for name, value in self.keywords.items() if name not in ("scale", "enable_gqa")}
        if others.keys() - {"dropout_p", "is_causal"} or any(others.values()):
            return None
        scale = self.keywords.get("scale")
        return {} if scale is None else {"scale": scale}


@dataclass(frozen=True)
class Tokens:
    """k, v [B, H, L, d]; `bias` is added to the logits, broadcastable to [B, H, Lq, L], None for nothing."""

    k: Tensor
    v: Tensor
    bias: Tensor | None = None

    def __len__(self) -> int:
        return self.k.shape[2]

    def part(self, where: slice) -> Tokens:
        """Some of the tokens, in their order."""
        bias = self.bias if self.bias is None or self.bias.shape[-1] == 1 else self.bias[..., where]
        return Tokens(self.k[:, :, where], self.v[:, :, where], bias)

    def seen_by(self, queries: slice) -> Tokens:
        """As some of the queries see them."""
        if self.bias is None or self.bias.ndim < 2 or self.bias.shape[-2] == 1:
            return self
        return replace(self, bias=self.bias[..., queries, :])

    def hidden(self, lengths: tuple[int, ...] | None) -> Tokens:
        """With all but the first `lengths[row]` tokens of each row unseen; None for all of them."""
        if lengths is None or min(lengths) >= len(self):
            return self
        mask = padding(lengths, len(self), self.k.dtype, self.k.device)
        return replace(self, bias=mask if self.bias is None else self.bias + mask)


def join(first: Tokens, second: Tokens) -> Tokens:
    """Both groups, one behind the other."""
    return Tokens(torch.cat([first.k, second.k], 2), torch.cat([first.v, second.v], 2), joined_bias(first, second))


def joined_bias(first: Tokens, second: Tokens) -> Tensor | None:
    """The bias of `join`, None where neither has one."""
    given = [tokens.bias for tokens in (first, second) if tokens.bias is not None]
    if not given:
        return None
    shape = torch.broadcast_shapes(*(bias.shape[:-1] for bias in given))
    parts = (given[0].new_zeros(1) if tokens.bias is None else tokens.bias for tokens in (first, second))
    return torch.cat([bias.expand(*shape, len(tokens)) for bias, tokens in zip(parts, (first, second))], -1)


def attended(attend: Attend, q: Tensor, tokens: Tokens) -> Tensor:
    """What queries [B, H, Lq, d] read from `tokens`, in the shape of q."""
    return attend(q, tokens.k, tokens.v, attn_mask=tokens.bias)
