"""Joint attention of SD3 and Flux: image and text tokens read each other, and both are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .masks import Keep, additive
from .methods import Method
from .shares import read_beside
from .tokens import Attend, Tokens


@dataclass(frozen=True)
class Layout:
    """Where a sequence has its tokens: the text as the positive, then the negative; before or behind the image."""

    positive: int
    negative: int
    text_first: bool

    def slices(self, length: int) -> tuple[slice, slice, slice]:
        """Image, positive and negative in a sequence of `length` tokens."""
        text = 0 if self.text_first else length - self.positive - self.negative
        split, end = text + self.positive, text + self.positive + self.negative
        image = slice(end, length) if self.text_first else slice(0, text)
        return image, slice(text, split), slice(split, end)


def joint_attention(
    method: Method | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: Layout,
    keep: Keep | None,
    attend: Attend,
    attn_mask: Tensor | None = None,
) -> Tensor:
    """Value Sign Flip's clean form (arXiv 2508.10931), and the other methods with the same masks.

    q, k, v [B, H, L, d] of the whole sequence, with positions already turned into them; the result has their shape. The
    positive's tokens read the image and themselves, as without a negative. The negative's read the image and themselves
    too, and nobody reads them: they only collect (N0). What the image reads beside the positive is a copy of their keys
    and values (N1), which `method` turns into a push; None lets the image read the positive alone. `keep` says how
    many text tokens each row has, None for all; `attn_mask` is the host's own, over the whole sequence.

    The groups are read apart and put together: what one attention over all with a mask [L, L + negative] would do, without
    the mask, and with the image read once.
    """
    where = layout.slices(q.shape[2])
    groups = _groups(Tokens(k, v, additive(attn_mask, q.dtype)), where, keep)
    of_image, of_positive, of_negative = (q[:, :, place] for place in where)
    (image, positive, negative), by_positive, by_negative = ([group.seen_by(place) for group in groups] for place in where)
    if method:
        from_image = method(of_image, positive, negative, attend, image)
    else:
        (from_image,) = read_beside(of_image, image, [positive], attend)
    text = [
        *read_beside(of_positive, by_positive[0], [by_positive[1]], attend),
        *read_beside(of_negative, by_negative[0], [by_negative[2]], attend),
    ]
    return torch.cat([*text, from_image] if layout.text_first else [from_image, *text], 2)


def _groups(every: Tokens, where: Sequence[slice], keep: Keep | None) -> list[Tokens]:
    """Image, positive and negative."""
    image, positive, negative = (every.part(place) for place in where)
    if keep is None:
        return [image, positive, negative]
    return [image, positive.hidden(keep.positive), negative.hidden(keep.negative)]
