"""Where the denoisers of diffusers read their text."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ...attention.places import numbered


def places(module: nn.Module) -> dict[str, list[nn.Module]]:
    """The attention modules that read the text, by place (see attention.places)."""
    return numbered(_found(module))


def _found(module: nn.Module) -> Iterator[tuple[str, list[nn.Module]]]:
    for child, group in (("down_blocks", "down"), ("mid_block", "mid"), ("up_blocks", "up")):
        for transformers in _spatial_transformers(getattr(module, child, None)):
            yield group, transformers
    single = getattr(module, "single_transformer_blocks", None)
    for block in getattr(module, "transformer_blocks", ()):
        crossed = not hasattr(block, "attn")
        yield "cross" if crossed else "joint" if single is None else "double", [block.attn2 if crossed else block.attn]
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
