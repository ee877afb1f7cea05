"""Bria Fibo: each block reads another layer of the text, which is padded to the longer of prompt and negative prompt."""

from __future__ import annotations

from typing import Any

import torch

from .family import N_P, Family, Part
from .flux import POSITIONS
from .padded import TEXT


def _named(pipe: Any, outputs: dict[str, Any]) -> dict[str, Any]:
    """The layers that the blocks read, one each, as one tensor; the pipeline chooses them in the same way."""
    blocks = len(pipe.transformer.transformer_blocks) + len(pipe.transformer.single_transformer_blocks)
    for name in ("prompt_layers", "negative_prompt_layers"):
        if layers := outputs[name]:
            outputs[name] = torch.stack([*layers[-blocks:], *[layers[-1]] * (blocks - len(layers))])
    return outputs


def _opened(inputs: dict[str, Any]) -> dict[str, Any]:
    """The layers as one tensor, and which tokens of the text are no padding."""
    rows, length = inputs["encoder_hidden_states"].shape[:2]
    mask = (inputs["joint_attention_kwargs"] or {}).get("attention_mask")
    own = inputs["hidden_states"].new_ones(rows, length, dtype=torch.bool) if mask is None else mask[:, 0, 0, :length]
    return {**inputs, "text_encoder_layers": torch.stack(list(inputs["text_encoder_layers"])), "text_mask": own}


def _completed(inputs: dict[str, Any]) -> dict[str, Any]:
    """As the denoiser takes it, with as many positions as the text is long."""
    mask, more = inputs.pop("text_mask"), dict(inputs["joint_attention_kwargs"] or {})
    if "attention_mask" in more:
        image = mask.new_ones(len(mask), inputs["hidden_states"].shape[1])
        more["attention_mask"] = torch.cat([mask, image], 1)[:, None, None]
    positions = inputs["txt_ids"].new_zeros(mask.shape[1], 3)
    layers = list(inputs["text_encoder_layers"])
    return {**inputs, "text_encoder_layers": layers, "txt_ids": positions, "joint_attention_kwargs": more}


def _unpacked(pipe: Any, x0: Any, height: int, width: int) -> Any:
    """A token may be a latent pixel, or a patch of four."""
    side = pipe.vae_scale_factor
    patched = x0.shape[1] < (height // side) * (width // side)
    return (pipe._unpack_latents if patched else pipe._unpack_latents_no_patch)(x0, height, width, side)


BRIA_FIBO = Family(
    pipelines=("BriaFiboPipeline",),
    order=N_P,
    parts=(
        TEXT,
        Part("text_encoder_layers", "prompt_layers", rows=1),
        Part("text_mask", "prompt_attention_mask"),
    ),
    outputs=(
        *("prompt_embeds", "negative_prompt_embeds", "text_ids", "prompt_attention_mask", "negative_prompt_attention_mask"),
        *("prompt_layers", "negative_prompt_layers"),
    ),
    together=True,
    shared=POSITIONS,
    named=_named,
    opened=_opened,
    completed=_completed,
    unpacked=_unpacked,
    grid=1,
)
