"""What to do when a GPU has no memory left for an oracle: once more on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from PIL import Image

from .base import Answer, Oracle
from .prompting import Prompting

Made = TypeVar("Made")
logger = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is a device without memory left, in whatever way this torch, or a worker, says it."""
    import torch  # here, for a worker whose oracle does not need it

    kinds = tuple(getattr(place, "OutOfMemoryError", ()) or () for place in (torch, torch.cuda))
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())


def ask(
    oracle: Oracle, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
) -> list[list[list[Answer]]]:
    """The oracle's answers; without memory it goes to the CPU, and stays there. Raises what it raises the second time."""
    how = () if prompting is None else (prompting,)
    try:
        return oracle.ask(images, questions, topk, *how)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = error.with_traceback(None)  # whose frames hold what takes the memory
    if not oracle.move("cpu"):
        raise reason
    _say(oracle.name)
    return oracle.ask(images, questions, topk, *how)


def load(name: str, make: Callable[[str], Made], device: str) -> Made:
    """What `make` makes on a device; without memory there, on the CPU. Raises what it raises the second time."""
    try:
        return make(device)
    except Exception as error:
        if device == "cpu" or not is_out_of_memory(error):
            raise
    _say(name)
    return make("cpu")


def _say(name: str) -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    logger.warning("VLM Negative: the GPU has no memory left for %s, which goes on on the CPU", name)
