"""U-Nets: Stable Diffusion 1 and 2, SDXL, Kolors. The text is read by cross-attention."""

from __future__ import annotations

from typing import Any

from .family import N_P, Attention, Family, Part, Reader

TEXT = Part("encoder_hidden_states", "prompt_embeds")
POOLED = Part("added_cond_kwargs.text_embeds", "pooled_prompt_embeds")
BOTH = ("prompt_embeds", "negative_prompt_embeds")
FOUR = (*BOTH, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
CLIP = Reader(chunk=75)


def _strengths(pipe: Any) -> str:
    return "sdxl" if pipe.unet.config.addition_embed_type == "text_time" else "sd15"


def _distilled(pipe: Any) -> bool:
    """A U-Net that is told the guidance scale (LCM) evaluates no uncond."""
    return pipe.unet.config.time_cond_proj_dim is not None


STABLE_DIFFUSION = Family(
    pipelines=("StableDiffusionPipeline", "StableDiffusionControlNetPipeline"),
    order=N_P,
    parts=(TEXT,),
    outputs=BOTH,
    reader=CLIP,
    distilled=_distilled,
    grid=1,
    attention=Attention(clip=True),
    strengths=_strengths,
)
SDXL = Family(
    pipelines=("StableDiffusionXLPipeline", "StableDiffusionXLControlNetPipeline"),
    order=N_P,
    parts=(TEXT, POOLED),
    outputs=FOUR,
    reader=CLIP,
    distilled=_distilled,
    grid=1,
    attention=Attention(clip=True),
    strengths=_strengths,
)
KOLORS = Family(
    pipelines=("KolorsPipeline",),
    order=N_P,
    parts=(TEXT, POOLED),
    outputs=FOUR,
    distilled=_distilled,
    grid=1,
    attention=Attention(t5=True),
    strengths=_strengths,
)
