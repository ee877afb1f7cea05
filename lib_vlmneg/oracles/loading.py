"""What all models that transformers loads have in common."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch

from ..errors import InputError

LAST_LAYERS = ("lm_head", "classifier", "text_decoder.cls")  # which words they choose is spoilt first by few bits


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turns what transformers says of a folder or id that it cannot load into an InputError of one line."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"oracle: {name!r} cannot be loaded ({reason}); give a folder, or a model for visual questions on the hub"
        ) from None


def quantised(bits: str, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """How from_pretrained is told to keep weights in "int8" or "int4" on a device, computing in `dtype`. Raises InputError."""
    lacking = [name for name in ("bitsandbytes", "accelerate") if find_spec(name) is None]
    if lacking:
        raise InputError(f"dtype: {bits} needs {' and '.join(lacking)}, not here; install it, or choose another precision")
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of every layer at every question
    wanted = {"load_in_8bit": True}
    if bits == "int4":
        wanted = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    config = BitsAndBytesConfig(**wanted, llm_int8_skip_modules=list(LAST_LAYERS))
    return {"quantization_config": config, "device_map": {"": str(device)}}


def transformers_version() -> tuple[int, int]:
    """Major and minor of the transformers that is here; (0, 0) where there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        numbers = version("transformers").split(".")
    except PackageNotFoundError:
        return 0, 0
    return int(numbers[0]), int(numbers[1])
