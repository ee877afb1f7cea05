"""Pushing inside the attention of a U-Net in AUTOMATIC1111, for one call of its CFG-denoiser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ...attention.cross import cross_attention
from ...attention.ldm import heads, merged, places
from ...attention.negative import Joined
from ...attention.places import chosen
from ...attention.push import Pushing
from ...errors import InputError
from ...push.call import ModelCall, Side

Images = list["int | None"]  # of rows: the image that each belongs to, None for an uncond's


class Rows:
    """Which of a call's rows the model is evaluating: the host hands them over in order, all at once or in parts."""

    def __init__(self, call: ModelCall):
        self._left: Images = [row.image if row.side is Side.COND else None for row in call.rows]
        self.now: Images = []

    def begin(self, count: int) -> None:
        """The model is called with so many rows."""
        self.now, self._left = self._left[:count], self._left[count:]

    def end(self) -> bool:
        """That is over; whether all rows have been evaluated."""
        self.now = []
        return not self._left


@contextmanager
def hung(params: Any, call: ModelCall, pushing: Pushing) -> Iterator[None]:
    """In on_cfg_denoiser: hung on the model for this very call, and taken off as soon as all of its rows are evaluated.

    Raises InputError for a model or blocks that cannot be.
    """
    model = params.denoiser.inner_model.inner_model.model.diffusion_model
    where = places(model)
    if not where:
        name = type(model).__name__
        raise InputError(f"model: AUTOMATIC1111's {name} cannot be pushed inside its attention; use SD1.5 or SDXL, or Forge")
    active, rows = chosen(where, pushing.push.blocks), Rows(call)
    with ExitStack() as stack:

        def over(_: Any, args: tuple, output: Any) -> None:
            if rows.end() or output is None:  # none after an exception
                stack.close()

        for name in active:
            for attn in where[name][1]:
                stack.enter_context(_wrapped(attn, rows, pushing))
        stack.callback(model.register_forward_pre_hook(lambda _, args: rows.begin(len(args[0]))).remove)
        stack.callback(model.register_forward_hook(over, always_call=True).remove)
        yield


@contextmanager
def _wrapped(attn: nn.Module, rows: Rows, pushing: Pushing) -> Iterator[None]:
    """Which of several optimizations A1111 computes attention by is a setting, so a pushed one is computed here."""
    before, plain = vars(attn).get("forward"), attn.forward

    @wraps(plain)
    def forward(x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        found, failed = None, True
        with pushing.guard():
            if context is not None and len(context) == len(rows.now):  # else it is a call that was not announced
                text = pushing.text(context, rows.now)
                found = None if text is None else pushed(attn, x, text, pushing)
            failed = False
        if failed:
            pushing.failed()
        return plain(x, context, *args, **kwargs) if found is None else found

    attn.forward = forward
    try:
        yield
    finally:
        del attn.forward
        if before is not None:
            attn.forward = before


def pushed(attn: nn.Module, x: Tensor, text: Joined, pushing: Pushing) -> Tensor:
    """Cross-attention of x [R, L, C] to the text, with the hypernetworks that the host has loaded."""
    from modules import shared
    from modules.hypernetworks import hypernetwork

    context_k, context_v = hypernetwork.apply_hypernetworks(shared.loaded_hypernetworks, text.embeds)
    q, k, v = (heads(z, attn.heads) for z in (attn.to_q(x), attn.to_k(context_k), attn.to_v(context_v)))
    dtype = q.dtype
    if shared.opts.upcast_attn:
        q, k, v = q.float(), k.float(), v.float()
    out = cross_attention(pushing.push.method, q, k, v, text.negative, text.keep, scaled_dot_product_attention)
    pushing.acted = True
    return attn.to_out(merged(out).to(dtype))
