"""The U-Net or transformer of a pipeline, and how a run gets in between its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from torch import Tensor, nn

DENOISERS = ("unet", "transformer", "transformer_2")  # Wan 2.2 has one for each half of the noise
CONTROLS = ("controlnet",)
Calls = Callable[[nn.Module, Callable[..., Any], tuple, dict[str, Any]], Any]


def denoiser(pipe: Any) -> nn.Module:
    """As it was written: of one that torch.compile wrapped, what is inside."""
    return written(getattr(pipe, _there(pipe, DENOISERS)[0]))


def written(module: nn.Module) -> nn.Module:
    """What torch.compile has wrapped; the module itself where it has not."""
    return getattr(module, "_orig_mod", module)


@contextmanager
def between(pipe: Any, names: Sequence[str], calls: Calls) -> Iterator[None]:
    """While entered, `calls(module, plain, args, kwargs)` answers each call of these parts; `plain` is what was there before.

    It lies around whatever compiles, offloads or hooks the module, so that all of that stays as it is.
    """
    taken_off = []
    try:
        for name in _there(pipe, names):
            taken_off.append(_put_on(getattr(pipe, name), calls))
        yield
    finally:
        for take_off in reversed(taken_off):
            take_off()


def _put_on(module: nn.Module, calls: Calls) -> Callable[[], None]:
    """Puts `calls` around a module's outermost call, and gives what takes it off."""
    name = "_compiled_call_impl" if getattr(module, "_compiled_call_impl", None) is not None else "forward"
    before, plain = vars(module).get(name), getattr(module, name)
    unwrapped = written(module)

    @wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        return calls(unwrapped, plain, args, kwargs)

    setattr(module, name, call)

    def take_off() -> None:
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)

    return take_off


@contextmanager
def between_steps(scheduler: Any, told: Callable[[int, Tensor, Any, Tensor], None]) -> Iterator[None]:
    """While entered, `told(number, model_output, timestep, sample)` is called before each step of a scheduler."""
    before, plain, number = vars(scheduler).get("step"), scheduler.step, 0

    @wraps(plain)  # pipelines look at its signature for whether it takes a generator
    def step(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        nonlocal number
        told(number, model_output, timestep, sample)
        number += 1
        return plain(model_output, timestep, sample, *args, **kwargs)

    scheduler.step = step
    try:
        yield
    finally:
        del scheduler.step
        if before is not None:
            scheduler.step = before


@contextmanager
def as_written(pipe: Any) -> Iterator[list[nn.Module]]:
    """Gives the denoisers, which while entered run uncompiled, whichever way they were compiled.

    A graph that was compiled before does not see what was put on its parts since (skip_nnmodule_hook_guards of torch._dynamo).
    """
    given = {name: getattr(pipe, name) for name in _there(pipe, DENOISERS)}
    modules = [written(module) for module in given.values()]
    parts = (part for module in modules for part in module.modules())
    compiled = {part: part._compiled_call_impl for part in parts if getattr(part, "_compiled_call_impl", None)}
    for name, module in given.items():
        if written(module) is not module:
            setattr(pipe, name, written(module))
    for part in compiled:
        part._compiled_call_impl = None
    try:
        yield modules
    finally:
        for part, call in compiled.items():
            part._compiled_call_impl = call
        for name, module in given.items():
            if written(module) is not module:
                setattr(pipe, name, module)


def _there(pipe: Any, names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(pipe, name, None) is not None]
