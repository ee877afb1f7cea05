"""What all oracles have in common whose model is in this process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from ..devices import best_device, best_dtype
from ..errors import InputError
from .base import Answer, Oracle
from .loading import loading


class LocalOracle(Oracle):
    """A model of transformers with its processor, by name on the hub or by folder. Raises InputError."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        self.name = name
        self.device = best_device(device)
        self.dtype = best_dtype(dtype, self.device)
        try:
            with loading(name):
                self.processor, model = self.read(name)
        except ImportError as error:  # of a processor: SmolVLM's and Qwen's have one for videos, which wants torchvision
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"oracle: {name!r} needs a package that is not here ({reason}); install it") from None
        self.model = model.to(self.device).eval()

    @torch.no_grad()
    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers; nothing is computed where nothing is asked."""
        return self.answer(images, questions, topk) if images and questions else [[] for _ in images]

    @abstractmethod
    def answer(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """As `ask`, for one image and one question at least."""

    @abstractmethod
    def read(self, name: str) -> tuple[Any, Any]:
        """The processor and the model, not yet on its device."""
