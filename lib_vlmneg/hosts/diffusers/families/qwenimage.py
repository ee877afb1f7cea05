"""Qwen-Image, Nucleus-Image: a call's text is as long as its longest, masked where one is shorter; guidance keeps P's norm."""

from __future__ import annotations

from typing import Any

from .family import P_THEN_N, Family, Part, Reader

TEXT = (Part("encoder_hidden_states", "prompt_embeds"), Part("encoder_hidden_states_mask", "prompt_embeds_mask"))
MASKED = ("prompt_embeds", "prompt_embeds_mask")

QWEN_IMAGE = Family(
    pipelines=("QwenImagePipeline",),
    order=P_THEN_N,
    parts=TEXT,
    outputs=MASKED,
    linear=False,
    lists=("img_shapes",),
)
NUCLEUS_IMAGE = Family(
    pipelines=("NucleusMoEImagePipeline",),
    order=P_THEN_N,
    parts=TEXT,
    outputs=MASKED,
    reader=Reader("processor.tokenizer", length=lambda pipe, prompt: pipe.default_max_sequence_length),
    linear=False,
    sign=-1.0,
    lists=("img_shapes",),
)


def _anew(inputs: dict[str, Any]) -> dict[str, Any]:
    """The text is read in every step: the keys and values that the pipeline keeps are those of the first step's text."""
    return {**inputs, "kv_cache": None, "kv_cache_mode": None}


QWEN_IMAGE_21 = Family(
    pipelines=("QwenImage21Pipeline",),
    order=P_THEN_N,
    parts=(*TEXT, Part("img_mask", "image_pad_mask", grows=True)),
    outputs=(*MASKED, "image_pad_mask"),
    reader=Reader("processor.tokenizer", length=lambda pipe, prompt: pipe.processor.tokenizer.model_max_length),
    lists=("img_shapes",),
    opened=_anew,
    answer=lambda inputs, given: given[:, -inputs["hidden_states"].shape[1] :],  # behind those of the text
)
