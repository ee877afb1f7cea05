"""What all oracles have in common whose model is in this process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from ..devices import QUANTISED, best_device, best_dtype, lighten
from ..errors import InputError
from .base import Answer, Oracle
from .loading import loading, quantised, transformers_version
from .prompting import Prompting


class LocalOracle(Oracle):
    """A model of transformers with its processor, by name on the hub or by folder. Raises InputError."""

    casts = True  # whether it computes in `dtype` by autocast only what gains from it, and not everything

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        self.name = name
        self.device = best_device(device)
        self.quantised = dtype if dtype in QUANTISED else ""
        self.dtype = best_dtype("auto" if self.quantised else dtype, self.device, QUANTISED)
        how = quantised(self.quantised, self.dtype, self.device) if self.quantised else {}
        how["dtype" if transformers_version() >= (4, 56) else "torch_dtype"] = torch.float32 if self.casts else self.dtype
        try:
            with loading(name):
                self.processor, model = self.read(name, **how)
        except ImportError as error:  # of a processor: SmolVLM's and Qwen's have one for videos, which wants torchvision
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"oracle: {name!r} needs a package that is not here ({reason}); install it") from None
        self.model = model.eval()
        if not self.quantised:
            self._settle()

    @torch.no_grad()
    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers; nothing is computed where nothing is asked."""
        return self.answer(images, questions, topk, prompting) if images and questions else [[] for _ in images]

    @abstractmethod
    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """As `ask`, for one image and one question at least."""

    @abstractmethod
    def read(self, name: str, **how: Any) -> tuple[Any, Any]:
        """The processor and the model, which is read `how`, not yet on its device."""

    def move(self, device: str) -> bool:
        """To a device by name, with all weights; a quantised model stays where it is."""
        if self.quantised:
            return False
        self.device = best_device(device)
        self.dtype = best_dtype("auto", self.device)
        self._settle()
        return True

    def _settle(self) -> None:
        """Brings the weights to where, and into the precision that, they are used in."""
        self.model.to("cpu", torch.float32 if self.casts else self.dtype)  # where there is room for it
        if self.casts:
            lighten(self.model, self.dtype)
        self.model.to(self.device)
