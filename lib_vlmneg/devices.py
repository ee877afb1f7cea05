"""Where to compute, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from .errors import InputError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

QUANTISED = ("int8", "int4")  # what an oracle's weights may be kept in, by bitsandbytes


def best_device(wanted: str = "auto") -> torch.device:
    """The device of that name; for auto the GPU if there is one. Raises InputError."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device: {wanted!r} is not to be had here; give auto, cpu, or a device that torch lists") from None
    return device


def best_dtype(wanted: str, device: torch.device, others: Sequence[str] = ()) -> torch.dtype:
    """The dtype of that name; for auto half precision where the device is faster with it.

    Raises InputError, which says that `others` are possible too: names that the caller knows what to do with.
    """
    if wanted == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and _cpu_has_bfloat16() else torch.float32
    if wanted not in DTYPES:
        raise InputError(f"dtype: {wanted!r} is not one of {', '.join(('auto', *DTYPES, *others))}")
    return DTYPES[wanted]


def read_places(text: str) -> dict[str, tuple[str, str]]:
    """Device and dtype by name, from lines of a name, a device and, if wanted, a dtype. Raises InputError."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        words = line.split()
        dtype = words.pop() if words[-1] in ("auto", *DTYPES, *QUANTISED) and len(words) > 2 else "auto"
        if len(words) < 2:
            raise InputError(f"places: {line.strip()!r} is not a name and a device; write for example: miniature cpu float32")
        found[" ".join(words[:-1])] = (words[-1], dtype)
    return found


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Computes in `dtype` what gains from it; see `lighten` for the weights."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def bfloat16(device: torch.device) -> AbstractContextManager:
    """Computes in bfloat16 where the device is faster with it, else as the weights are, which stay as they are either way."""
    fastest = best_dtype("auto", device)
    return autocast(device, fastest if fastest == torch.bfloat16 else torch.float32)


@contextmanager
def widened(model: torch.nn.Module) -> Iterator[None]:
    """Inside, weights in float16 are in float32; afterwards the same bits as before, since float32 holds them exactly."""
    narrow = next(model.parameters()).dtype == torch.float16
    try:
        yield model.to(torch.float32) if narrow else None
    finally:
        if narrow:
            model.to(torch.float16)


def lighten(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """Keeps in `dtype` the weights that `autocast` casts to it at every call: the same numbers, sooner, in half the memory.

    A weight that an embedding shares is parted from it, which stays as it is.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and dtype != torch.float32:
            for name, weight in module.named_parameters(recurse=False):
                setattr(module, name, torch.nn.Parameter(weight.data.to(dtype), requires_grad=False))
    return model


def _cpu_has_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "avx512_bf16" in flags.read_text()


def same_random_numbers(device: torch.device) -> torch.random.fork_rng:
    """A context: whatever draws random numbers inside (ViLT does, for patches) leaves the sampler's as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def has_room(device: torch.device, times: float) -> bool:
    """Whether memory is left for `times` what has been the most that calculations took so far; elsewhere than on CUDA, yes."""
    if device.type != "cuda":
        return True
    taken = torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept > times * taken
