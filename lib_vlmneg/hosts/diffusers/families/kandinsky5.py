"""Kandinsky 5: a text without padding, with a position for each token, and CLIP's pooled one; channels last."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .family import P_THEN_N, Family, Part, Reader


def _positions(inputs: dict[str, Any]) -> dict[str, Any]:
    text = inputs["encoder_hidden_states"]
    return {**inputs, "text_rope_pos": torch.arange(text.shape[1], device=text.device)}


def _unpacked(pipe: Any, x0: Tensor, height: int, width: int) -> Tensor:
    """Without what a video may be conditioned by, which is in further channels."""
    return x0[..., : pipe.transformer.config.out_visual_dim].permute(0, 4, 1, 2, 3)


KANDINSKY5 = Family(
    pipelines=("Kandinsky5T2IPipeline", "Kandinsky5T2VPipeline"),
    order=P_THEN_N,
    parts=(Part("encoder_hidden_states", "prompt_embeds_qwen"), Part("pooled_projections", "prompt_embeds_clip")),
    outputs=("prompt_embeds_qwen", "prompt_embeds_clip", "prompt_cu_seqlens"),
    reader=Reader("tokenizer.tokenizer", template=1),
    shared=("visual_rope_pos", "text_rope_pos", "scale_factor", "sparse_params"),
    completed=_positions,
    unpacked=_unpacked,
)
