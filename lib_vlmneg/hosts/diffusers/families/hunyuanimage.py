"""HunyuanImage: a text with its mask and one of what is in quotes; a guider guides, which has the scale."""

from __future__ import annotations

from typing import Any

from .family import P_THEN_N, Family, Part, Reader


def _guiders(pipe: Any) -> list[Any]:
    return [guider for guider in (pipe.guider, pipe.ocr_guider) if guider is not None]


HUNYUAN_IMAGE = Family(
    pipelines=("HunyuanImagePipeline",),
    order=P_THEN_N,
    parts=(
        Part("encoder_hidden_states", "prompt_embeds"),
        Part("encoder_attention_mask", "prompt_embeds_mask"),
        Part("encoder_hidden_states_2", "prompt_embeds_2"),
        Part("encoder_attention_mask_2", "prompt_embeds_mask_2"),
    ),
    outputs=("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2"),
    reader=Reader(length=lambda pipe, prompt: pipe.tokenizer_max_length, template=1),
    linear=False,
    guiders=_guiders,
    distilled=lambda pipe: not any(guider._enabled for guider in _guiders(pipe)),
)
