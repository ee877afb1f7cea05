"""Pushing inside the attention of a U-Net in AUTOMATIC1111; what a push needs in every WebUI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ...attention.cross import cross_attention
from ...attention.negative import Joined, joined
from ...attention.places import chosen, numbered
from ...attention.push import AttentionPush, Pushing
from ...errors import InputError

Guard = Callable[[], AbstractContextManager]  # what goes wrong inside is dealt with there

GROUPS = (("down", "input"), ("mid", "middle"), ("up", "output"))  # ours and the host's names of a U-Net's parts


class Attachment:
    """What the generation under way is pushed away from: set `pushing.negative` and `pushing.progress` between model calls."""

    def __init__(self, push: AttentionPush, guard: Guard = nullcontext):
        self.pushing, self.guard = Pushing(push), guard
        self._rows: list[int | None] = []
        self._now: list[int | None] = []
        self._context: Tensor | None = None
        self._joined: Joined | None = None

    def expect(self, rows: Sequence[int | None]) -> None:
        """For the rows of the model calls to come, in order, the image each belongs to; None for an unconditional one."""
        self._rows = list(rows)

    def begin(self, count: int) -> None:
        """A model call of so many rows begins; one that was not expected is not pushed."""
        self._now, self._rows = self._rows[:count], self._rows[count:]
        self._context = self._joined = None

    def end(self) -> bool:
        """The model call is over; whether it was the last of the expected ones."""
        self._now = []
        self._context = self._joined = None
        return not self._rows

    def text(self, context: Tensor) -> Joined | None:
        """The text that an attention with this context reads; None if nothing pushes."""
        negative = self.pushing.wanted()
        if negative is None or len(self._now) != len(context) or all(row is None for row in self._now):
            return None
        if self._context is not context:  # all blocks are handed the same
            self._context, self._joined = context, joined(context, negative.rows(self._now))
        return self._joined


def expected_rows(images: Sequence[int], unconditional: int) -> list[int | None]:
    """A1111's rows (sd_samplers_cfg_denoiser.py:203): for each image its prompt's parts (AND), then the uncond's."""
    return [image for image, parts in enumerate(images) for _ in range(parts)] + [None] * unconditional


def places(diffusion_model: nn.Module) -> dict[str, tuple[tuple[str, int], list[nn.Module]]]:
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


@contextmanager
def attached(diffusion_model: nn.Module, push: AttentionPush, guard: Guard = nullcontext) -> Iterator[Attachment]:
    """Attaches a push to A1111's U-Net; nothing of it stays afterwards. Raises InputError for what it has not.

    What fails in it fails inside `guard()`; where that raises nothing, the picture goes on without.
    """
    where = places(diffusion_model)
    if not where:
        name = type(diffusion_model).__name__
        raise InputError(f"model: AUTOMATIC1111's {name} cannot be pushed inside its attention; use SD1.5 or SDXL, or Forge")
    push.check("unet")
    attachment = Attachment(push, guard)

    def over(*_: Any) -> None:
        attachment.end()

    active = chosen(where, push.blocks)
    with ExitStack() as stack:
        for name in active:
            for attn in where[name][1]:
                stack.enter_context(_wrapped(attn, attachment))
        before = diffusion_model.register_forward_pre_hook(lambda _, args: attachment.begin(len(args[0])))
        stack.callback(before.remove)
        stack.callback(diffusion_model.register_forward_hook(over, always_call=True).remove)
        yield attachment


@contextmanager
def hung(params: Any, push: AttentionPush, guard: Guard) -> Iterator[Attachment]:
    """In on_cfg_denoiser: attached for this very call, and taken off as soon as the model has evaluated all of its rows."""
    denoiser = params.denoiser
    diffusion_model = denoiser.inner_model.inner_model.model.diffusion_model
    cond = params.text_cond
    count = len(cond["crossattn"] if isinstance(cond, dict) else cond)
    parts = [len(parts) for parts in denoiser.sampler.sampler_extra_args["cond"].batch]
    with ExitStack() as stack:
        attachment = stack.enter_context(attached(diffusion_model, push, guard))
        attachment.expect(expected_rows(parts, len(params.x) - count))

        def over(_: Any, args: tuple, output: Any) -> None:
            if attachment.end() or output is None:  # none after an exception
                stack.close()

        stack.callback(diffusion_model.register_forward_hook(over, always_call=True).remove)
        yield attachment


def strengths_of(model: Any) -> str:
    """The family that attention.strengths knows a host's model by."""
    objects = getattr(model, "forge_objects", None)
    inner = (objects.unet.model if objects else model.model).diffusion_model
    if hasattr(inner, "double_blocks"):
        return "flux"
    if hasattr(inner, "joint_blocks"):
        return "sd3"
    return "sdxl" if getattr(model, "is_sdxl", False) else "sd15"


@contextmanager
def _wrapped(attn: nn.Module, attachment: Attachment) -> Iterator[None]:
    """Which of several optimizations A1111 computes attention by is a setting, so a pushed one is computed here."""
    before, plain = vars(attn).get("forward"), attn.forward

    @wraps(plain)
    def forward(x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        found, failed = None, True
        with attachment.guard():
            text = None if context is None else attachment.text(context)
            found = None if text is None else pushed(attn, x, text, attachment)
            failed = False
        if failed:
            attachment.pushing.negative = None
        return plain(x, context, *args, **kwargs) if found is None else found

    attn.forward = forward
    try:
        yield
    finally:
        del attn.forward
        if before is not None:
            attn.forward = before


def pushed(attn: nn.Module, x: Tensor, text: Joined, attachment: Attachment) -> Tensor:
    """Cross-attention of x [R, L, C] to the text, with the hypernetworks that the host has loaded."""
    from modules import shared
    from modules.hypernetworks import hypernetwork

    context_k, context_v = hypernetwork.apply_hypernetworks(shared.loaded_hypernetworks, text.embeds)
    q, k, v = (heads(z, attn.heads) for z in (attn.to_q(x), attn.to_k(context_k), attn.to_v(context_v)))
    dtype = q.dtype
    if shared.opts.upcast_attn:
        q, k, v = q.float(), k.float(), v.float()
    out = cross_attention(attachment.pushing.push.method, q, k, v, text.negative, text.keep, scaled_dot_product_attention)
    return attn.to_out(merged(out).to(dtype))


def heads(z: Tensor, count: int) -> Tensor:
    """[R, L, heads * d] to [R, heads, L, d]."""
    return z.unflatten(-1, (count, -1)).transpose(1, 2)


def merged(z: Tensor) -> Tensor:
    """[R, heads, L, d] to [R, L, heads * d]."""
    return z.transpose(1, 2).flatten(2)
