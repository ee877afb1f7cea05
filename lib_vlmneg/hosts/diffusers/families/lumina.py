"""Lumina 2 and Lumina-Next, which turn the sign."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .family import P_N, P_THEN_N, Family, Part, Reader
from .padded import MASKED, TEXT

LUMINA2 = Family(
    pipelines=("Lumina2Pipeline",),
    order=P_THEN_N,
    parts=(TEXT, Part("encoder_attention_mask", "prompt_attention_mask")),
    outputs=MASKED,
    linear=False,
    sign=-1.0,
)


def _as_long_as(pipe: Any, prompt: str) -> int:
    """The negative prompt is cut where the prompt ends, which is padded to a multiple of 8."""
    return min(-(-len(pipe.tokenizer(prompt).input_ids) // 8) * 8, pipe.max_sequence_length)


def _guided(pipe: Any, taken: Tensor) -> Tensor:
    """Three of the channels are guided; the others are the prompt's."""
    return torch.cat([taken[:3], torch.zeros_like(taken[3:])])


LUMINA_NEXT = Family(
    pipelines=("LuminaPipeline",),
    order=P_N,
    parts=(TEXT, Part("encoder_mask", "prompt_attention_mask")),
    outputs=MASKED,
    reader=Reader(length=_as_long_as),
    sign=-1.0,
    shared=("image_rotary_emb",),
    reaches=_guided,
)
