"""Pushing inside the attention of Forge's models: patches on a clone of the U-Net's patcher, which go with it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...attention.cross import cross_attention
from ...attention.joint import Layout, joint_attention
from ...attention.negative import Joined, joined, mixed_pooled
from ...attention.places import chosen, numbered
from ...attention.push import AttentionPush, Pushing
from ...errors import InputError
from .attention import Guard, heads, merged, places

COND = 0  # in the host's lists of cond_or_uncond
JOINT = (("joint", "joint_blocks"), ("double", "double_blocks"), ("single", "single_blocks"))
ATTENTIONS = ("attention", "optimized_attention")  # by which the modules of such blocks compute it; the second: reForge's SD3


class Attachment:
    """What the generation under way is pushed away from: set `pushing.negative` and `pushing.progress` between model calls."""

    def __init__(self, push: AttentionPush, guard: Guard = nullcontext):
        self.pushing, self.guard = Pushing(push), guard

    def text(self, prompt: Tensor, cond_or_uncond: Sequence[int]) -> Joined | None:
        """The text that a call with this prompt [R, T, D] reads; None if nothing pushes."""
        negative = self.pushing.wanted()
        if negative is None or COND not in cond_or_uncond:
            return None
        return joined(prompt, negative.rows(rows(len(prompt), cond_or_uncond)), self.pushing.push.compat)


def rows(count: int, cond_or_uncond: Sequence[int]) -> list[int | None]:
    """The image that each of `count` rows belongs to, None for an unconditional one: blocks of as many rows as images."""
    images = count // len(cond_or_uncond)
    return [image if kind == COND else None for kind in cond_or_uncond for image in range(images)]


@contextmanager
def hung(params: Any, push: AttentionPush, guard: Guard) -> Iterator[Attachment]:
    """In on_cfg_denoiser: attached for this very call. The sampler looks the U-Net up at each; after an exception Forge
    throws the copy away before the next pass. A shallow one, since `clone` copies every other extension's functions."""
    objects = params.denoiser.inner_model.inner_model.forge_objects
    own = objects.unet
    copied = copy.copy(own)
    options = own.model_options.get("transformer_options", {})
    patches = {name: list(given) for name, given in options.get("patches", {}).items()}
    copied.model_options = {**own.model_options, "transformer_options": {**options, "patches": patches}}
    attachment = attach(copied, push, guard)
    objects.unet = copied
    try:
        yield attachment
    finally:
        if objects.unet is copied:
            objects.unet = own


def attach(unet: Any, push: AttentionPush, guard: Guard = nullcontext) -> Attachment:
    """Attaches a push to `unet`, a clone of the patcher in `p.sd_model.forge_objects`, in process_before_every_sampling.

    Forge throws the clone away after the pass, and the push with it. What fails in it fails inside `guard()`; where that
    raises nothing, the picture goes on without. Raises InputError for an architecture or blocks that cannot be.
    """
    attachment, model = Attachment(push, guard), unet.model.diffusion_model
    if hasattr(model, "input_blocks"):
        push.check("unet")
        _attach_unet(unet, attachment)
    elif (found := _attention_of(model)) is not None:
        push.check("sd3" if hasattr(model, "joint_blocks") else "flux" if hasattr(model, "vector_in") else "chroma")
        _attach_joint(unet, attachment, *found)
    else:
        raise InputError(
            f"model: {type(model).__name__} cannot be pushed inside its attention; use SD1.5, SDXL, SD3 or Flux, or CFG"
        )
    return attachment


def _attach_unet(unet: Any, attachment: Attachment) -> None:
    """By attn2_patch and attn2_replace. Closures, since clone() copies a callable object with all that it holds."""
    where = places(unet.model.diffusion_model)
    active = chosen(where, attachment.pushing.push.blocks)
    taken = unet.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    ours = {where[name][0] for name in active} - {block[:2] for block in taken}  # another's attention stays another's
    reading: dict[str, Joined | None] = {}

    def append(n: Tensor, context: Tensor, value: Tensor, options: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        reading["text"] = None
        with attachment.guard():
            reading["text"] = attachment.text(context, options["cond_or_uncond"]) if options["block"] in ours else None
        text = reading["text"]
        return (n, context, value) if text is None else (n, text.embeds, text.embeds)

    def attend(q: Tensor, k: Tensor, v: Tensor, options: dict[str, Any]) -> Tensor:
        text = reading["text"]
        split = [heads(z, options["n_heads"]) for z in (q, k, v)]
        if text is None:
            return merged(scaled_dot_product_attention(*split))
        method = attachment.pushing.push.method
        with attachment.guard():
            return merged(cross_attention(method, *split, text.negative, text.keep, scaled_dot_product_attention))
        attachment.pushing.negative = None
        return merged(scaled_dot_product_attention(split[0], *(z[:, :, : text.positive] for z in split[1:])))

    unet.set_model_attn2_patch(append)
    for block in ours:
        unet.set_model_attn2_replace(attend, *block)


def _attention_of(model: Any) -> tuple[Any, str] | None:
    """The module in which a model's joint blocks look their attention up, and its name there; None where there is none."""
    blocks = [block for _, name in JOINT for block in getattr(model, name, ())]
    modules = {type(block).__module__ for block in blocks}
    module = sys.modules[modules.pop()] if len(modules) == 1 else None
    return next(((module, name) for name in ATTENTIONS if hasattr(module, name)), None)


def _attach_joint(unet: Any, attachment: Attachment, module: Any, name: str) -> None:
    """By the function around the model's call: inside it, the module of its blocks finds another attention (mmditx.py:17).

    There is no other place: what Neo and reForge let one replace, `patches_replace["dit"]`, is a whole block.
    """
    model, push = unet.model.diffusion_model, attachment.pushing.push
    names = list(numbered((group, None) for group, blocks in JOINT for _ in getattr(model, blocks, ())))
    active = chosen(dict.fromkeys(names), push.blocks)
    before = unet.model_options.get("model_function_wrapper")

    def around(apply_model: Callable[..., Tensor], call: dict[str, Any]) -> Tensor:
        with attachment.guard():
            return evaluated(apply_model, call)
        attachment.pushing.negative = None
        return evaluated(apply_model, call)

    def evaluated(apply_model: Callable[..., Tensor], call: dict[str, Any]) -> Tensor:
        c, kinds = call["c"], call["cond_or_uncond"]
        text = attachment.text(c["c_crossattn"], kinds)
        if text is not None:
            c = c | {"c_crossattn": text.embeds}
            if push.pooled != 1:
                c["y"] = mixed_pooled(c["y"], attachment.pushing.negative.rows(rows(len(c["y"]), kinds)), push.pooled)
        with _answered(module, name, text, names, active, push):
            if before is not None:
                return before(apply_model, call | {"c": c})
            return apply_model(call["input"], call["timestep"], **c)

    unet.set_model_unet_function_wrapper(around)


@contextmanager
def _answered(
    module: Any, name: str, text: Joined | None, names: Sequence[str], active: set[str], push: AttentionPush
) -> Iterator[None]:
    """Puts an attention of ours in the module's place for one model call, in which its blocks come in the order of `names`."""
    if text is None:
        yield
        return
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
