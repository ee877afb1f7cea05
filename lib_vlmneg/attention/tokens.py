"""Keys and values of a group of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

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

    def hidden(self, keep: Tensor | None) -> Tokens:
        """With the tokens unseen where `keep` [B, L] is False."""
        if keep is None:
            return self
        mask = torch.zeros(keep.shape, dtype=self.k.dtype, device=self.k.device).masked_fill_(~keep, -torch.inf)
        mask = mask[:, None, None, :]
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


def additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A mask as torch's kernel takes it, True where it may look or numbers to add, as numbers to add."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
