"""Where the U-Nets of latent diffusion's own code (AUTOMATIC1111, Forge, ComfyUI) read their text."""

from __future__ import annotations

from torch import Tensor, nn

from .places import numbered

GROUPS = (("down", "input"), ("mid", "middle"), ("up", "output"))  # our names of a U-Net's parts, and those of the hosts

Block = tuple[str, int]  # a block as the hosts call it: ("input", 1)


def places(diffusion_model: nn.Module) -> dict[str, tuple[Block, list[nn.Module]]]:
    """For each spatial transformer of a U-Net (see attention.places) the host's name of its block, and its cross-attentions."""
    found = []
    for group, part in GROUPS:
        blocks = getattr(diffusion_model, f"{part}_block" if part == "middle" else f"{part}_blocks", ())
        for number, block in enumerate([blocks] if part == "middle" else blocks):
            for layer in block:
                if hasattr(layer, "transformer_blocks"):
                    attns = [each.attn2 for each in layer.transformer_blocks]
                    found.append((group, ((part, number), attns)))
    return numbered(found)


def heads(z: Tensor, count: int) -> Tensor:
    """[R, L, heads * d] to [R, heads, L, d]."""
    return z.unflatten(-1, (count, -1)).transpose(1, 2)


def merged(z: Tensor) -> Tensor:
    """[R, heads, L, d] to [R, L, heads * d]."""
    return z.transpose(1, 2).flatten(2)
