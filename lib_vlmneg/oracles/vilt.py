"""ViLT (Kim et al. 2021), finetuned for question answering: fast, and it says how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from ..devices import autocast, best_device, best_dtype
from .base import Answer, Oracle
from .loading import loading


class ViltOracle(Oracle):
    """A ViltForQuestionAnswering by name on the hub or by folder. All images and questions go through it in one batch."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        from transformers import ViltForQuestionAnswering, ViltProcessor

        self.name = name
        self.device = best_device(device)
        self.dtype = best_dtype(dtype, self.device)
        with loading(name):
            processor = ViltProcessor.from_pretrained(name)
            self.model = ViltForQuestionAnswering.from_pretrained(name).float()
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
        """[images, questions, labels]. An image is cut into patches once, whatever the number of questions."""
        config, embeddings = self.model.config, self.model.vilt.embeddings
        limit = config.max_position_embeddings
        words = self.tokenizer(list(questions), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        seen = self._pictures([image.convert("RGB") for image in images], return_tensors="pt").to(self.device)
        with autocast(self.device, self.dtype):
            patches, mask, _ = embeddings.visual_embed(seen["pixel_values"], seen["pixel_mask"], config.max_image_length)
            logits = self.model(
                **{name: words[name].repeat(len(images), 1).to(self.device) for name in ("input_ids", "attention_mask")},
                image_embeds=patches.repeat_interleave(len(questions), 0),
                pixel_mask=mask.repeat_interleave(len(questions), 0),
            ).logits
        return logits.view(len(images), len(questions), -1)
