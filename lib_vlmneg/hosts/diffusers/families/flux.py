"""Flux.1 and its kin, in which the text stands before the image: Flux.1, Chroma, Ovis-Image, Bria, LongCat-Image."""

from __future__ import annotations

from .family import N_P, P_THEN_N, Attention, Family, Part, Reader

TEXT = Part("encoder_hidden_states", "prompt_embeds")
POSITIONS = ("txt_ids", "img_ids")
JOINT = Attention(joint=True, text_first=True, t5=True)

FLUX = Family(
    pipelines=("FluxPipeline",),
    order=P_THEN_N,
    parts=(TEXT, Part("pooled_projections", "pooled_prompt_embeds")),
    outputs=("prompt_embeds", "pooled_prompt_embeds", "text_ids"),
    reader=Reader("tokenizer_2"),
    shared=POSITIONS,
    attention=JOINT,
    strengths=lambda pipe: "flux",
)
CHROMA = Family(
    pipelines=("ChromaPipeline",),
    order=P_THEN_N,
    parts=(TEXT, Part("attention_mask", "prompt_attention_mask", grows=True)),
    outputs=(
        *("prompt_embeds", "text_ids", "prompt_attention_mask"),
        *("negative_prompt_embeds", "negative_text_ids", "negative_prompt_attention_mask"),
    ),
    shared=POSITIONS,
)
OVIS = Family(
    pipelines=("OvisImagePipeline",),
    order=P_THEN_N,
    parts=(TEXT,),
    outputs=("prompt_embeds", "negative_prompt_embeds", "text_ids", "negative_text_ids"),
    shared=POSITIONS,
)
BRIA = Family(
    pipelines=("BriaPipeline",),
    order=N_P,
    parts=(TEXT,),
    outputs=("prompt_embeds", "negative_prompt_embeds", "text_ids"),
    shared=POSITIONS,
)
LONGCAT = Family(
    pipelines=("LongCatImagePipeline",),
    order=P_THEN_N,
    parts=(TEXT,),
    outputs=("prompt_embeds", "text_ids"),
    reader=Reader(length=512),
    linear=False,
    shared=POSITIONS,
)
