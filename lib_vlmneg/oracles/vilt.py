"""ViLT (Kim et al. 2021), finetuned for question answering: fast, and it says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..devices import autocast, best_device, best_dtype
from ..errors import InputError
from .base import Answer


class ViltOracle:
    """A ViltForQuestionAnswering by name on the hub or by folder. All images and questions go through it in one batch."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        self.name = name
        self.device = best_device(device)
        self.dtype = best_dtype(dtype, self.device)
        processor, self.model = _load(name)
        self.tokenizer, self._pictures = processor.tokenizer, processor.image_processor
        self.model.to(self.device).eval()
        self.input_side = int(self._pictures.size["shortest_edge"])

    @torch.no_grad()
    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """For each image, for each question, the `topk` likeliest of the model's labels."""
        scores = self._logits(images, questions).sigmoid().float().cpu()
        best = scores.topk(min(topk, scores.shape[-1]), dim=-1)
        labels = self.model.config.id2label
        return [
            [
                [Answer(labels[index], round(score, 4)) for score, index in zip(values, indices)]
                for values, indices in zip(image_values, image_indices)
            ]
            for image_values, image_indices in zip(best.values.tolist(), best.indices.tolist())
        ]

    def _logits(self, images: Sequence[Image.Image], questions: Sequence[str]) -> Tensor:
        """[images, questions, labels]."""
        limit = self.model.config.max_position_embeddings
        words = self.tokenizer(list(questions), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        seen = self._pictures([image.convert("RGB") for image in images], return_tensors="pt")
        inputs: dict[str, Any] = {name: words[name].repeat(len(images), 1) for name in ("input_ids", "attention_mask")}
        inputs |= {name: seen[name].repeat_interleave(len(questions), 0) for name in ("pixel_values", "pixel_mask")}
        with autocast(self.device, self.dtype):
            logits = self.model(**{name: value.to(self.device) for name, value in inputs.items()}).logits
        return logits.view(len(images), len(questions), -1)


def _load(name: str) -> tuple[Any, Any]:
    from transformers import ViltForQuestionAnswering, ViltProcessor

    try:
        return ViltProcessor.from_pretrained(name), ViltForQuestionAnswering.from_pretrained(name).float()
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"oracle: {name!r} cannot be loaded ({reason}); give a folder or a ViLT on the Hugging Face hub"
        ) from None
