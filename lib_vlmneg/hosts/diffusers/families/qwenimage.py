"""Qwen-Image, Nucleus-Image: a call's text is as long as its longest, masked where one is shorter; guidance keeps P's norm."""

from __future__ import annotations

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
