"""Pushing by the patches of a U-Net's patcher, which Forge and its family have from ComfyUI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .cross import cross_attention
from .ldm import heads, merged, places
from .negative import Joined
from .places import chosen
from .push import Pushing

COND = 0  # in the hosts' lists of cond_or_uncond


def images_of(count: int, cond_or_uncond: Sequence[int], images: int) -> list[int | None]:
    """The image that each of a call's `count` rows belongs to, None for an uncond's.

    A block of as many rows as images for each of `cond_or_uncond`; where a host draws in tiles and batches them, that once
    for each tile (MultiDiffusion, tiled_diffusion.py:437). A host that draws the images of a batch as one (Wan) has fewer rows.
    """
    kinds = len(cond_or_uncond)
    block = images if count % (kinds * images) == 0 else count // kinds
    once = [image if kind == COND else None for kind in cond_or_uncond for image in range(block)]
    return once * (count // len(once))


def push_in_unet(unet: Any, pushing: Pushing, images: int) -> None:
    """By attn2_patch and attn2_replace. Closures, since a patcher's clone() copies a callable object with all that it holds.

    Raises InputError for blocks that are not there.
    """
    where = places(unet.model.diffusion_model)
    active = chosen(where, pushing.push.blocks)
    taken = unet.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    ours = {where[name][0] for name in active} - {block[:2] for block in taken}  # another's attention stays another's
    reading: dict[str, Joined | None] = {}

    def append(n: Tensor, context: Tensor, value: Tensor, options: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        reading["text"] = None
        if options["block"] not in ours:
            return n, context, value
        with pushing.guard():
            text = pushing.text(context, images_of(len(context), options["cond_or_uncond"], images))
            reading["text"] = text
            return (n, context, value) if text is None else (n, text.embeds, text.embeds)
        pushing.failed()
        return n, context, value

    def attend(q: Tensor, k: Tensor, v: Tensor, options: dict[str, Any]) -> Tensor:
        text = reading["text"]
        split = [heads(z, options["n_heads"]) for z in (q, k, v)]
        if text is None:
            return merged(scaled_dot_product_attention(*split))
        method = pushing.push.method
        with pushing.guard():
            read = merged(cross_attention(method, *split, text.negative, text.keep, scaled_dot_product_attention))
            pushing.acted = True
            return read
        pushing.failed()
        return merged(scaled_dot_product_attention(split[0], *(z[:, :, : text.positive] for z in split[1:])))

    unet.set_model_attn2_patch(append)
    for block in ours:
        unet.set_model_attn2_replace(attend, *block)
