"""Pushing inside the attention of Forge's models, for one call of its CFG-denoiser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...attention.joint import Layout, joint_attention
from ...attention.ldm import heads, merged
from ...attention.negative import Joined, mixed_pooled
from ...attention.patches import images_of, push_in_unet
from ...attention.places import chosen, numbered
from ...attention.push import AttentionPush, Pushing
from ...errors import InputError
from ...push.call import ModelCall
from .patcher import carried

JOINT = (("joint", "joint_blocks"), ("double", "double_blocks"), ("single", "single_blocks"))
ATTENTIONS = ("attention", "optimized_attention")  # by which the modules of such blocks compute it; the second: reForge's SD3


@contextmanager
def hung(params: Any, call: ModelCall, pushing: Pushing) -> Iterator[None]:
    """In on_cfg_denoiser: hung on the model for this very call. Raises InputError for a model or blocks that cannot be."""
    with carried(params) as unet:
        attach(unet, pushing, 1 + max(row.image for row in call.rows))
        yield


def attach(unet: Any, pushing: Pushing, images: int) -> None:
    """Attaches a push of so many images to a patcher that is thrown away after the call.

    Raises InputError for an architecture or blocks that cannot be.
    """
    model = unet.model.diffusion_model
    if hasattr(model, "input_blocks"):
        push_in_unet(unet, pushing, images)
    elif (found := _attention_of(model)) is not None:
        _push_jointly(unet, pushing, images, *found)
    else:
        raise InputError(
            f"model: {type(model).__name__} cannot be pushed inside its attention; use SD1.5, SDXL, SD3 or Flux, or CFG"
        )


def _attention_of(model: Any) -> tuple[Any, str] | None:
    """The module in which a model's joint blocks look their attention up, and its name there; None where there is none."""
    blocks = [block for _, name in JOINT for block in getattr(model, name, ())]
    modules = {type(block).__module__ for block in blocks}
    module = sys.modules[modules.pop()] if len(modules) == 1 else None
    return next(((module, name) for name in ATTENTIONS if hasattr(module, name)), None)


def _push_jointly(unet: Any, pushing: Pushing, images: int, module: Any, name: str) -> None:
    """By the function around the model's call: inside it, the module of its blocks finds another attention (mmditx.py:17).

    There is no other place: what Neo and reForge let one replace, `patches_replace["dit"]`, is a whole block. Another's
    function stays around ours, which it may call more than once (MultiDiffusion: once for each batch of tiles).
    """
    model, push = unet.model.diffusion_model, pushing.push
    names = list(numbered((group, None) for group, blocks in JOINT for _ in getattr(model, blocks, ())))
    active = chosen(dict.fromkeys(names), push.blocks)
    before = unet.model_options.get("model_function_wrapper")

    def around(apply_model: Callable[..., Tensor], call: dict[str, Any]) -> Tensor:
        def evaluated(x: Tensor, t: Tensor, **c: Any) -> Tensor:
            with pushing.guard():
                return pushed(apply_model, x, t, c, call["cond_or_uncond"])
            pushing.failed()
            return apply_model(x, t, **c)

        if before is not None:
            return before(evaluated, call)
        return evaluated(call["input"], call["timestep"], **call["c"])

    def pushed(apply_model: Callable[..., Tensor], x: Tensor, t: Tensor, c: dict[str, Any], kinds: Sequence[int]) -> Tensor:
        rows = images_of(len(c["c_crossattn"]), kinds, images)
        text = pushing.text(c["c_crossattn"], rows)
        if text is None:
            return apply_model(x, t, **c)
        more = {"c_crossattn": text.embeds}
        if push.pooled != 1:
            more["y"] = mixed_pooled(c["y"], pushing.negative.rows(rows), push.pooled)
        with _answered(module, name, text, names, active, push):
            found = apply_model(x, t, **c | more)
        pushing.acted = True
        return found

    unet.set_model_unet_function_wrapper(around)


@contextmanager
def _answered(
    module: Any, name: str, text: Joined, names: Sequence[str], active: set[str], push: AttentionPush
) -> Iterator[None]:
    """Puts an attention of ours in the module's place for one model call, in which its blocks come in the order of `names`."""
    plain, order = getattr(module, name), iter(names)
    turn = getattr(sys.modules[plain.__module__], "apply_rope", None)  # Chroma's blocks have Flux's attention
    lengths: dict[str, int] = {}
    layout = Layout(text.positive, text.negative, text_first=True)

    def attention(q: Tensor, k: Tensor, v: Tensor, *given: Any, **named: Any) -> Tensor:
        length = q.shape[-2] if turn is not None else q.shape[1]
        if length != lengths.setdefault("joint", length):  # SD3.5 medium's own attention of the image (mmditx.py:662)
            return plain(q, k, v, *given, **named)
        if named.get("mask") is not None:
            raise RuntimeError("the host masks the text of this model, so that a push has no place in its attention; push cfg")
        if turn is not None:  # Flux: q, k, v [R, heads, L, d], and the positions
            q, k = turn(q, k, given[0] if given else named["pe"])
        else:  # SD3: q, k [R, L, heads * d], v [R, L, heads, d]; the number of heads
            count = given[0] if given else named["heads"]
            q, k, v = (heads(z.flatten(2), count) for z in (q, k, v))
        method = push.method if next(order, "") in active else None
        return merged(joint_attention(method, q, k, v, layout, text.keep, scaled_dot_product_attention))

    setattr(module, name, attention)
    try:
        yield
    finally:
        setattr(module, name, plain)
