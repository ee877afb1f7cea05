"""The U-Net or transformer of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


def denoiser(pipe: Any) -> nn.Module:
    """As it was written: of one that torch.compile wrapped, what is inside."""
    module = getattr(pipe, _name(pipe))
    return getattr(module, "_orig_mod", module)


@contextmanager
def as_written(pipe: Any) -> Iterator[nn.Module]:
    """Gives the denoiser, which while entered runs uncompiled, whichever way it was compiled.

    A graph that was compiled before does not see a hook that was put on since (skip_nnmodule_hook_guards of torch._dynamo).
    """
    name, module = _name(pipe), denoiser(pipe)
    given = getattr(pipe, name)
    compiled = {part: part._compiled_call_impl for part in module.modules() if getattr(part, "_compiled_call_impl", None)}
    if given is not module:
        setattr(pipe, name, module)
    for part in compiled:
        part._compiled_call_impl = None
    try:
        yield module
    finally:
        for part, call in compiled.items():
            part._compiled_call_impl = call
        if given is not module:
            setattr(pipe, name, given)


def _name(pipe: Any) -> str:
    return "transformer" if getattr(pipe, "unet", None) is None else "unet"
