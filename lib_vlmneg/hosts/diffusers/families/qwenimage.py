"""Qwen-Image: the text of a call is as long as its longest, with a mask only where one is shorter; guidance keeps P's norm."""

from __future__ import annotations

from .family import P_THEN_N, Family, Part

QWEN_IMAGE = Family(
    pipelines=("QwenImagePipeline",),
    order=P_THEN_N,
    parts=(
        Part("encoder_hidden_states", "prompt_embeds"),
        Part("encoder_hidden_states_mask", "prompt_embeds_mask"),
    ),
    outputs=("prompt_embeds", "prompt_embeds_mask"),
    linear=False,
    lists=("img_shapes",),
)
