"""Denoisers and a VAE of real size with random weights, to time: they cost what trained ones do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SD15 = {"cross_attention_dim": 768, "sample_size": 64, "attention_head_dim": 8}
SD15_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
}
SD3 = {
    "sample_size": 128,
    "num_layers": 24,
    "num_attention_heads": 24,
    "attention_head_dim": 64,
    "caption_projection_dim": 1536,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
    "out_channels": 16,
}


@dataclass(frozen=True)
class Denoiser:
    """As much of a pipeline as a push takes hold of."""

    unet: nn.Module | None = None
    transformer: nn.Module | None = None


@dataclass(frozen=True)
class Case:
    """A denoiser, one call of it, and the text that it reads: tokens and width."""

    pipe: Denoiser
    call: Callable[[], Any]
    width: int


def sd15(side: int, device: torch.device, dtype: torch.dtype) -> Case:
    """Stable Diffusion 1.5 on a picture of `side` pixels."""
    from diffusers import UNet2DConditionModel

    unet = _random(partial(UNet2DConditionModel, **SD15), device, dtype)
    given = _randn(device, dtype, sample=(1, 4, side // 8, side // 8), encoder_hidden_states=(1, 77, 768))
    return Case(Denoiser(unet=unet), partial(unet, timestep=500, **given), 768)


def sd15_vae(device: torch.device) -> nn.Module:
    """The autoencoder of Stable Diffusion 1.5, in float32."""
    from diffusers import AutoencoderKL

    return _random(partial(AutoencoderKL, **SD15_VAE), device, torch.float32)


def sd3(side: int, device: torch.device, dtype: torch.dtype, blocks: int = 24) -> Case:
    """Stable Diffusion 3 medium on a picture of `side` pixels, with 77 tokens of its CLIPs and 256 of its T5."""
    from diffusers import SD3Transformer2DModel

    transformer = _random(partial(SD3Transformer2DModel, **SD3 | {"num_layers": blocks}), device, dtype)
    shapes = {"hidden_states": (1, 16, side // 8, side // 8), "encoder_hidden_states": (1, 77 + 256, 4096)}
    given = _randn(device, dtype, **shapes, pooled_projections=(1, 2048))
    return Case(
        Denoiser(transformer=transformer), partial(transformer, timestep=torch.tensor([500.0], device=device), **given), 4096
    )


SIZES = {"sd15": sd15, "sd3": sd3, "sd3-block": partial(sd3, blocks=2)}  # a block as most are, and the last, which is another


def _random(make: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype) -> nn.Module:
    with torch.device("meta"):
        module = make().to(dtype)
    module = module.to_empty(device=device).eval().requires_grad_(False)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            tensor.normal_(std=0.02)
    return module


def _randn(device: torch.device, dtype: torch.dtype, **shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: torch.randn(shape, device=device, dtype=dtype) for name, shape in shapes.items()}


def sd15_pipeline(device: torch.device) -> Any:
    """A whole Stable Diffusion 1.5 in float32; its words are the miniature's."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from ...miniature import WEIGHTS

    text = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    return StableDiffusionPipeline(
        vae=sd15_vae(device),
        text_encoder=CLIPTextModel(text).to(device).eval(),
        tokenizer=CLIPTokenizer.from_pretrained(WEIGHTS / "tokenizer"),
        unet=_random(partial(UNet2DConditionModel, **SD15), device, torch.float32),
        scheduler=PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def vilt_base(folder: Path) -> None:
    """Writes a ViLT-B/32 for question answering to `folder`; its words are those of the miniature's."""
    from transformers import BertTokenizer, ViltConfig, ViltForQuestionAnswering, ViltImageProcessor

    from ...miniature import VILT

    ViltForQuestionAnswering(ViltConfig(num_labels=3129)).save_pretrained(folder)
    BertTokenizer.from_pretrained(VILT).save_pretrained(folder)
    ViltImageProcessor().save_pretrained(folder)
