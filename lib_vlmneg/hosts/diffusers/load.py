"""Pipelines and oracles by name or folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ... import miniature
from ...devices import best_device, best_dtype
from ...errors import InputError
from ...oracles import registry
from ...oracles.base import Oracle

MINIATURE = "miniature"


def load_pipeline(model: str, device: str = "auto", dtype: str = "auto", tiny: str | None = None) -> tuple[Any, Any | None]:
    """A text-to-image pipeline and, where there is one, the AutoencoderTiny to go with it.

    `model` is a diffusers id, a folder, or miniature; `tiny` the id or folder of an AutoencoderTiny, by default the folder
    taesd inside the model's. Raises InputError.
    """
    from diffusers import AutoencoderTiny, AutoPipelineForText2Image

    _read_quietly()
    name = str(_shipped(miniature.WEIGHTS)) if model == MINIATURE else model
    place = best_device(device)
    precision = torch.float32 if dtype == "auto" and place.type == "cpu" else best_dtype(dtype, place)
    with _loading("model", model):
        pipe = AutoPipelineForText2Image.from_pretrained(name, dtype=precision).to(place)
    tiny = tiny or (str(Path(name) / "taesd") if (Path(name) / "taesd").is_dir() else None)
    if not tiny:
        return pipe, None
    with _loading("tiny_decoder", tiny):
        return pipe, AutoencoderTiny.from_pretrained(tiny, dtype=precision).to(place)


def _read_quietly() -> None:
    """No progress bars for reading files; drawing keeps its own."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()


@contextmanager
def _loading(field: str, name: str) -> Iterator[None]:
    """Turns what diffusers says of a folder or id that it cannot load into an InputError."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{field}: {name!r} cannot be loaded ({reason}); give a diffusers folder or an id on the hub"
        ) from None


def load_oracle(name: str, device: str = "auto", dtype: str = "auto", means: registry.Means | None = None) -> Oracle:
    """The oracle of that name or folder; miniature is the one that ships. Raises InputError."""
    _read_quietly()
    return registry.load(folder_of(name), device, dtype, means)


def folder_of(oracle: str) -> str:
    """Its name, or the folder of the one that ships. Raises InputError."""
    return str(_shipped(miniature.VILT)) if oracle == MINIATURE else oracle


def _shipped(folder: Path) -> Path:
    """The miniature's folder. Raises InputError where it is not."""
    if not folder.is_dir():
        raise InputError(f"model: the miniature's weights are not in {folder}; make them: python -m lib_vlmneg.miniature.train")
    return folder
