"""What the tiny pipelines are made of beside their texts."""

from __future__ import annotations

from typing import Any

from torch import nn


def flow(**config: Any):
    """Flow matching in Euler's steps."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**{"shift": 3.0, **config})


def amplify(denoiser: nn.Module, gain: float, *parts: str) -> None:
    """Makes the parameters named with one of `parts` larger: random weights hardly listen to the text."""
    for name, parameter in denoiser.named_parameters():
        if any(part in name for part in parts):
            parameter.data *= gain


def quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def vae_of_8(channels: int):
    """An autoencoder of which a latent is 8 pixels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        mid_block_add_attention=False,
    ).eval()
