"""Pipelines that draw videos, or with a video's autoencoder: Cosmos 2, LTX, HunyuanVideo."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .family import N_P, P_THEN_N, Attention, Family, Part
from .padded import BOTH, MASKED, TEXT

MASK = Part("encoder_attention_mask", "prompt_attention_mask")


def _preconditioned(pipe: Any, taken: Tensor) -> Tensor:
    """The denoiser's answer times t = sigma / (sigma + 1) is taken from x0, which is divided by sigma again."""
    scheduler = pipe.scheduler
    return taken / (1 + scheduler.sigmas[scheduler.step_index or 0])


COSMOS2 = Family(
    pipelines=("Cosmos2TextToImagePipeline",),
    order=P_THEN_N,
    parts=(TEXT,),
    outputs=BOTH,
    beyond=True,
    shared=("padding_mask",),
    reaches=_preconditioned,
    attention=Attention(t5=True),
    strengths=lambda pipe: "cosmos",
)


def _unpacked(pipe: Any, x0: Tensor, height: int, width: int) -> Tensor:
    """LTX keeps latents as a sequence of patches, frame by frame."""
    patch, frames = pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size
    height, width = (side // pipe.vae_spatial_compression_ratio for side in (height, width))
    count = x0.shape[1] * patch**2 * frames // (height * width)
    return pipe._unpack_latents(x0, count, height, width, patch, frames)


LTX = Family(
    pipelines=("LTXPipeline",),
    order=N_P,
    parts=(TEXT, MASK),
    outputs=MASKED,
    shared=("rope_interpolation_scale",),
    unpacked=_unpacked,
    grid=1,
    attention=Attention(t5=True),
    strengths=lambda pipe: "ltx",
)
HUNYUAN_VIDEO = Family(
    pipelines=("HunyuanVideoPipeline",),
    order=P_THEN_N,
    parts=(TEXT, MASK, Part("pooled_projections", "pooled_prompt_embeds")),
    outputs=("prompt_embeds", "pooled_prompt_embeds", "prompt_attention_mask"),
)
