"""HunyuanImage, HunyuanVideo 1.5: a text with its mask, and one of what is in quotes; a guider has the guidance scale."""

from __future__ import annotations

from typing import Any

from .family import P_THEN_N, Family, Part, Reader


def _guiders(pipe: Any) -> list[Any]:
    return [guider for name in ("guider", "ocr_guider") if (guider := getattr(pipe, name, None)) is not None]


def _distilled(pipe: Any) -> bool:
    return not any(guider._enabled for guider in _guiders(pipe))


TEXTS = (
    Part("encoder_hidden_states", "prompt_embeds"),
    Part("encoder_attention_mask", "prompt_embeds_mask"),
    Part("encoder_hidden_states_2", "prompt_embeds_2"),
    Part("encoder_attention_mask_2", "prompt_embeds_mask_2"),
)
OUTPUTS = ("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2")

HUNYUAN_IMAGE = Family(
    pipelines=("HunyuanImagePipeline",),
    order=P_THEN_N,
    parts=TEXTS,
    outputs=OUTPUTS,
    reader=Reader(length=lambda pipe, prompt: pipe.tokenizer_max_length, template=1),
    linear=False,
    guiders=_guiders,
    distilled=_distilled,
    grid=1,
)
HUNYUAN_VIDEO_15 = Family(
    pipelines=("HunyuanVideo15Pipeline",),
    order=P_THEN_N,
    parts=TEXTS,
    outputs=OUTPUTS,
    reader=Reader(length=lambda pipe, prompt: pipe.tokenizer_max_length, template=8),
    single=True,
    guiders=_guiders,
    distilled=_distilled,
    grid=1,
)
