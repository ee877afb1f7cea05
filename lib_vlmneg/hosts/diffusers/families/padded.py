"""Families whose text has one length, padded: Sana (with a mask), AuraFlow, CogView4, Wan."""

from __future__ import annotations

from typing import Any

from ..denoiser import written
from .family import N_P, P_THEN_N, Attention, Family, Part

TEXT = Part("encoder_hidden_states", "prompt_embeds")
BOTH = ("prompt_embeds", "negative_prompt_embeds")
MASKED = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")

SANA = Family(
    pipelines=("SanaPipeline",),
    order=N_P,
    parts=(TEXT, Part("encoder_attention_mask", "prompt_attention_mask")),
    outputs=MASKED,
    grid=1,
)
AURA_FLOW = Family(pipelines=("AuraFlowPipeline",), order=N_P, parts=(TEXT,), outputs=MASKED)
COGVIEW4 = Family(pipelines=("CogView4Pipeline",), order=P_THEN_N, parts=(TEXT,), outputs=BOTH)


def _stage_scale(pipe: Any, denoiser: Any, scale: float) -> float:
    """Wan 2.2 has a guidance scale of its own for its second denoiser."""
    second = getattr(pipe, "transformer_2", None)
    return getattr(pipe, "_guidance_scale_2", None) or scale if second is not None and denoiser is written(second) else scale


WAN = Family(
    pipelines=("WanPipeline",),
    order=P_THEN_N,
    parts=(TEXT,),
    outputs=BOTH,
    scale=_stage_scale,
    attention=Attention(t5=True),
    strengths=lambda pipe: "wan",
)
