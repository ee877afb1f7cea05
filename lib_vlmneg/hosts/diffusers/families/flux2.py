"""FLUX.2 Klein, and ERNIE-Image, which has its autoencoder: of each 2x2 patch the channels are normalised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .family import N_P, P_THEN_N, Family, Part, Reader


def _of_patches(pipe: Any, x0: Tensor) -> Tensor:
    """The autoencoder's latents [B, C, 2 h, 2 w] of patches [B, 4 C, h, w]."""
    bn = pipe.vae.bn
    deviation = torch.sqrt(bn.running_var + pipe.vae.config.batch_norm_eps)
    mean, deviation = (each.view(1, -1, 1, 1).to(x0.device, x0.dtype) for each in (bn.running_mean, deviation))
    return pipe._unpatchify_latents(x0 * deviation + mean)


def _unpacked(pipe: Any, x0: Tensor, height: int, width: int) -> Tensor:
    rows, columns = (side // (2 * pipe.vae_scale_factor) for side in (height, width))
    return _of_patches(pipe, x0.unflatten(1, (rows, columns)).permute(0, 3, 1, 2))


KLEIN = Family(
    pipelines=("Flux2KleinPipeline",),
    order=P_THEN_N,
    parts=(Part("encoder_hidden_states", "prompt_embeds"),),
    outputs=("prompt_embeds", "text_ids"),
    reader=Reader(template=12),
    negative="",
    distilled=lambda pipe: pipe.config.is_distilled,
    unpacked=_unpacked,
)
ERNIE_IMAGE = Family(
    pipelines=("ErnieImagePipeline",),
    order=N_P,
    parts=(Part("text_bth", "prompt_embeds"), Part("text_lens", "prompt_embeds", length=True)),
    outputs=("prompt_embeds",),
    reader=Reader(length=lambda pipe, prompt: pipe.tokenizer.model_max_length),
    unpacked=lambda pipe, x0, height, width: _of_patches(pipe, x0),
    patched=2,
    grid=1,
)
