"""The denoisers of diffusers whose attention can be pushed, and where each has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...attention.places import numbered
from ...errors import InputError
from .denoiser import denoiser


@dataclass(frozen=True)
class Family:
    """A kind of denoiser: its attention is cross-attention, or joint with the text before or behind the image.

    `clip` says whether a CLIP's 77 tokens open the text, `t5` whether a T5's follow.
    """

    name: str
    joint: bool = False
    text_first: bool = False
    clip: bool = False
    t5: bool = False


FAMILIES = {
    "UNet2DConditionModel": Family("unet", clip=True),
    "SD3Transformer2DModel": Family("sd3", joint=True, clip=True, t5=True),
    "FluxTransformer2DModel": Family("flux", joint=True, text_first=True, t5=True),
    "WanTransformer3DModel": Family("wan", t5=True),
}


def family(pipe: Any) -> Family:
    """Raises InputError for an architecture that cannot be pushed inside its attention."""
    module = denoiser(pipe)
    found = FAMILIES.get(type(module).__name__)
    if found is None or not places(module):
        raise InputError(
            f"model: {type(module).__name__} cannot be pushed inside its attention; use SD1.5, SDXL, SD3, Flux or Wan, or CFG"
        )
    if found.name == "wan" and any(attn.add_k_proj is not None for (attn,) in places(module).values()):
        raise InputError("model: this Wan reads a picture beside its text and cannot be pushed; use its text-to-video one")
    return found


def strengths_of(pipe: Any) -> str:
    """The family that attention.strengths knows a pipeline by. Raises InputError as `family`."""
    name = family(pipe).name
    if name != "unet":
        return name
    return "sdxl" if denoiser(pipe).config.addition_embed_type == "text_time" else "sd15"


def places(module: nn.Module) -> dict[str, list[nn.Module]]:
    """The attention modules that read the text, by place (see attention.places)."""
    return numbered(_found(module))


def _found(module: nn.Module) -> Iterator[tuple[str, list[nn.Module]]]:
    for child, group in (("down_blocks", "down"), ("mid_block", "mid"), ("up_blocks", "up")):
        for transformers in _spatial_transformers(getattr(module, child, None)):
            yield group, transformers
    single = getattr(module, "single_transformer_blocks", None)
    for block in getattr(module, "transformer_blocks", ()):
        yield "joint" if single is None else "double", [block.attn]
    for block in single or ():
        yield "single", [block.attn]
    for block in getattr(module, "blocks", ()):
        yield "cross", [block.attn2]


def _spatial_transformers(part: nn.Module | None) -> Iterator[list[nn.Module]]:
    """For each spatial transformer in a part of a U-Net its cross-attentions."""
    for name, transformer in part.named_modules() if part is not None else ():
        if name.rpartition("attentions.")[2].isdigit() and hasattr(transformer, "transformer_blocks"):
            found = [block.attn2 for block in transformer.transformer_blocks if getattr(block, "attn2", None) is not None]
            if found:
                yield found
