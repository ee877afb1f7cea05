"""ViLT (Kim et al. 2021), finetuned for question answering: fast, and it says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..devices import autocast
from .base import Answer
from .local import LocalOracle
from .prompting import Prompting


class ViltOracle(LocalOracle):
    """A ViltForQuestionAnswering. All images and questions go through it in one batch."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        super().__init__(name, device, dtype)
        self.tokenizer, self._pictures = self.processor.tokenizer, self.processor.image_processor
        self.input_side = int(self._pictures.size["shortest_edge"])

    def read(self, name: str, **how: Any) -> tuple[Any, Any]:
        """By the processor's and the model's own class: the auto classes do not know the former everywhere."""
        from transformers import ViltForQuestionAnswering, ViltProcessor

        return ViltProcessor.from_pretrained(name), ViltForQuestionAnswering.from_pretrained(name, **how)

    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, the `topk` likeliest of the model's labels."""
        found: dict[int, list[list[Answer]]] = {}
        for size in dict.fromkeys(image.size for image in images):  # images of one size need no padding
            chosen = [index for index, image in enumerate(images) if image.size == size]
            scores = self._logits([images[index].convert("RGB") for index in chosen], questions).sigmoid().float().cpu()
            best = scores.topk(min(topk, scores.shape[-1]), dim=-1)
            found.update(zip(chosen, self._named(best.values.tolist(), best.indices.tolist())))
        return [found[index] for index in range(len(images))]

    def _named(self, values: list[list[list[float]]], indices: list[list[list[int]]]) -> list[list[list[Answer]]]:
        labels = self.model.config.id2label
        return [
            [[Answer(labels[label], round(score, 4)) for score, label in zip(*group)] for group in zip(*image)]
            for image in zip(values, indices)
        ]

    def _logits(self, images: Sequence[Image.Image], questions: Sequence[str]) -> Tensor:
        """[images, questions, labels]. An image is cut into patches once, whatever the number of questions."""
        limit = self.model.config.max_position_embeddings
        words = self.tokenizer(list(questions), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        pixels = self._pictures(images, return_tensors="pt")["pixel_values"].to(self.device)
        with autocast(self.device, self.dtype):
            patches = self._patches(pixels).repeat_interleave(len(questions), 0)
            logits = self.model(
                **{name: words[name].repeat(len(images), 1).to(self.device) for name in ("input_ids", "attention_mask")},
                image_embeds=patches,
                pixel_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=self.device),
            ).logits
        return logits.view(len(images), len(questions), -1)

    def _patches(self, pixels: Tensor) -> Tensor:
        """[images, 1 + patches, width]. As ViltEmbeddings.visual_embed, which draws random numbers to put patches in order."""
        parts, config = self.model.vilt.embeddings, self.model.config
        seen, places = parts.patch_embeddings(pixels), parts.position_embeddings
        side = config.image_size // config.patch_size
        grid = places[:, 1:].transpose(1, 2).reshape(1, -1, side, side)
        grid = torch.nn.functional.interpolate(grid, size=seen.shape[-2:], mode="bilinear", align_corners=True)
        first = (parts.cls_token + places[:, :1]).expand(len(pixels), -1, -1)
        return torch.cat([first, (seen + grid).flatten(2).transpose(1, 2)], dim=1)
