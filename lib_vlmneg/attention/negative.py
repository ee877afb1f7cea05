"""The text that is pushed away from, a row for each image, and how it joins the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Negative:
    """`embeds` [B, N, D] with a row for each image; `keep` [B, N] is False for padding, all of it where an image has none.

    `pooled` [B, D'] is the pooled text that some models have beside it.
    """

    embeds: Tensor
    keep: Tensor
    pooled: Tensor | None = None

    @classmethod
    def of(cls, texts: Sequence[Tensor | None], pooled: Sequence[Tensor | None] = ()) -> Negative | None:
        """From one embedding [n, D] an image, None for an image without a negative; None if no image has one.

        `pooled` is one vector [D'] an image, None where `texts` is.
        """
        given = [text for text in texts if text is not None]
        if not given:
            return None
        longest = max(len(text) for text in given)
        embeds = given[0].new_zeros(len(texts), longest, given[0].shape[-1])
        keep = torch.zeros(embeds.shape[:2], dtype=torch.bool, device=embeds.device)
        for row, text in enumerate(texts):
            if text is not None:
                embeds[row, : len(text)], keep[row, : len(text)] = text, True
        vectors = [vector for vector in pooled if vector is not None]
        if not vectors:
            return cls(embeds, keep)
        return cls(embeds, keep, torch.stack([vectors[0] * 0 if vector is None else vector for vector in pooled]))

    def rows(self, images: Sequence[int | None]) -> Negative:
        """For the rows of a model call: which image each belongs to, None for a row that is not pushed."""
        index = torch.tensor([image or 0 for image in images], device=self.keep.device)
        pushed = torch.tensor([image is not None for image in images], device=self.keep.device)
        pooled = None if self.pooled is None else self.pooled[index]
        return Negative(self.embeds[index], self.keep[index] & pushed[:, None], pooled)


@dataclass(frozen=True)
class Joined:
    """A prompt with a negative behind it: `embeds` [R, positive + negative, D], and the lengths of both."""

    embeds: Tensor
    positive: int
    negative: int
    keep: Tensor | None  # [R, positive + negative], None where all tokens are there


def joined(prompt: Tensor, negative: Negative, compat: bool = False) -> Joined:
    """`prompt` [R, P, D] and the negative's R rows in one text.

    `compat` puts the negative there twice, first as part of the positive, as the public code of VSF does for SD3.
    """
    embeds, keep = negative.embeds.to(prompt.device, prompt.dtype), negative.keep.to(prompt.device)
    before = [prompt, embeds] if compat else [prompt]
    positive = sum(part.shape[1] for part in before)
    seen = torch.cat([keep.new_ones(prompt.shape[:2]), *[keep] * (1 + compat)], 1)
    return Joined(torch.cat([*before, embeds], 1), positive, embeds.shape[1], None if bool(seen.all()) else seen)


def mixed_pooled(positive: Tensor, negative: Negative, mix: float) -> Tensor:
    """Pooled text [R, D'] of the positive, led away from the negative's: n + mix (p - n); a mix of 1 is the positive's own."""
    if mix == 1 or negative.pooled is None:
        return positive
    pooled = negative.pooled.to(positive.device, positive.dtype)
    return torch.where(negative.keep.any(1, keepdim=True).to(positive.device), pooled + mix * (positive - pooled), positive)
