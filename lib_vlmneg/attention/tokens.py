"""Keys and values of a group of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .masks import padding

Kernel = Callable[..., Tensor]  # attend(q, k, v, attn_mask=bias), as torch's scaled_dot_product_attention


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


def attended(attend: Kernel, q: Tensor, tokens: Tokens) -> Tensor:
    """What queries [B, H, Lq, d] read from `tokens`, in the shape of q."""
    return attend(q, tokens.k, tokens.v, attn_mask=tokens.bias)
