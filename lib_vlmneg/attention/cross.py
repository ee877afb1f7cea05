"""Cross-attention of a U-Net or of Wan: image tokens read a text that is not changed by them."""

from __future__ import annotations

from torch import Tensor

from .masks import Keep, additive
from .methods import Method
from .tokens import Attend, Tokens, attended


def cross_attention(
    method: Method | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    negative: int,
    keep: Keep | None,
    attend: Attend,
    attn_mask: Tensor | None = None,
) -> Tensor:
    """Attention of image tokens q [B, H, Lq, d] to the text k, v [B, H, L, d], whose last `negative` tokens push.

    `keep` says how many of them each row has, None for all; a row without a negative comes out as plain attention to
    the others. `method` None reads the positive alone. `attn_mask` is the host's own, over the whole text.
    """
    text = Tokens(k, v, additive(attn_mask, q.dtype))
    positive, pushing = text.part(slice(0, len(text) - negative)), text.part(slice(len(text) - negative, len(text)))
    if keep is not None:
        positive, pushing = positive.hidden(keep.positive), pushing.hidden(keep.negative)
    if method is None:
        return attended(attend, q, positive)
    return method(q, positive, pushing, attend)
