"""The text that is pushed away from, a row for each image, and how it joins the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .masks import Keep


@dataclass(frozen=True)
class Negative:
    """`embeds` [B, N, D] with a row for each image, of whose tokens the first `lengths` are its text: 0 for none.

    The rest is padding. `pooled` [B, D'] is the pooled text that some models have beside it.
    """

    embeds: Tensor
    lengths: tuple[int, ...]
    pooled: Tensor | None = None

    @classmethod
    def of(cls, texts: Sequence[Tensor | None], pooled: Sequence[Tensor | None] = ()) -> Negative | None:
        """From one embedding [n, D] an image, None for an image without a negative; None if no image has one.

        `pooled` is one vector [D'] an image, None where `texts` is.
        """
        given = [text for text in texts if text is not None]
        if not given:
            return None
        lengths = tuple(0 if text is None else len(text) for text in texts)
        embeds = given[0].new_zeros(len(texts), max(lengths), given[0].shape[-1])
        for row, text in enumerate(texts):
            if text is not None:
                embeds[row, : len(text)] = text
        vectors = [vector for vector in pooled if vector is not None]
        if not vectors:
            return cls(embeds, lengths)
        return cls(embeds, lengths, torch.stack([torch.zeros_like(vectors[0]) if one is None else one for one in pooled]))

    def rows(self, images: Sequence[int | None]) -> Negative:
        """For the rows of a model call: which image each belongs to, None for a row that is not pushed.

        No longer than the longest text of these, so that texts of one length need no mask.
        """
        if list(images) == list(range(len(self.lengths))):
            return self
        lengths = tuple(0 if image is None else self.lengths[image] for image in images)
        longest, rows = max(1, *lengths), [image or 0 for image in images]
        embeds = torch.stack([self.embeds[row, :longest] for row in rows])  # an index would have to be brought to the device
        return Negative(embeds, lengths, None if self.pooled is None else torch.stack([self.pooled[row] for row in rows]))


@dataclass(frozen=True)
class Joined:
    """A prompt with a negative behind it: `embeds` [R, positive + negative, D], and the lengths of both."""

    embeds: Tensor
    positive: int
    negative: int
    keep: Keep | None  # None where all tokens are there


def joined(prompt: Tensor, negative: Negative, compat: bool = False) -> Joined:
    """`prompt` [R, P, D] and the negative's R rows in one text.

    `compat` puts the negative there twice, first as part of the positive, as the public code of VSF does for SD3.
    """
    embeds, length = negative.embeds.to(prompt.device, prompt.dtype), prompt.shape[1]
    before = [prompt, embeds] if compat else [prompt]
    keep, positive = None, sum(part.shape[1] for part in before)
    if min(negative.lengths) < embeds.shape[1]:
        keep = Keep(negative.lengths, tuple(length + more for more in negative.lengths) if compat else None)
    return Joined(torch.cat([*before, embeds], 1), positive, embeds.shape[1], keep)


def mixed_pooled(positive: Tensor, negative: Negative, mix: float) -> Tensor:
    """Pooled text [R, D'] of the positive, led away from the negative's: n + mix (p - n); a mix of 1 is the positive's own."""
    if mix == 1 or negative.pooled is None:
        return positive
    pooled = negative.pooled.to(positive.device, positive.dtype)
    mixed = pooled + mix * (positive - pooled)
    if all(negative.lengths):
        return mixed
    return torch.stack([led if length else own for led, own, length in zip(mixed, positive, negative.lengths)])
