"""BLIP (Li et al. 2022), finetuned for question answering: writes its answer, so it knows more words than ViLT's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..devices import autocast, best_device, best_dtype
from .base import Answer, Oracle
from .loading import loading
from .sequences import grouped, write


class BlipOracle(Oracle):
    """A BlipForQuestionAnswering by name on the hub or by folder. The vision encoder sees each image once."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        from transformers import BlipForQuestionAnswering, BlipProcessor

        self.name = name
        self.device = best_device(device)
        self.dtype = best_dtype(dtype, self.device)
        with loading(name):
            processor = BlipProcessor.from_pretrained(name)
            self.model = BlipForQuestionAnswering.from_pretrained(name).float()
        self.tokenizer, self._pictures = processor.tokenizer, processor.image_processor
        self.model.to(self.device).eval()
        self.input_side = int(self._pictures.size["height"])

    @torch.no_grad()
    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers by beam search."""
        pixels = self._pictures([image.convert("RGB") for image in images], return_tensors="pt")["pixel_values"]
        with autocast(self.device, self.dtype):
            seen = self.model.vision_model(pixel_values=pixels.to(self.device))[0]
            sequences, scores = self._written(seen, questions, topk)
        return grouped(sequences, scores, self._decode, len(images), len(questions))

    def _written(self, seen: Tensor, questions: Sequence[str], topk: int) -> tuple[Tensor, list[float]]:
        """As BlipForQuestionAnswering.generate, but that padding is masked, so that questions do not change each other."""
        limit = self.model.config.text_config.max_position_embeddings
        words = self.tokenizer(list(questions), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        inputs: dict[str, Any] = {name: words[name].repeat(len(seen), 1).to(self.device) for name in words}
        mask = inputs["attention_mask"]
        states = self.model.text_encoder(
            input_ids=inputs["input_ids"],
            attention_mask=mask,
            encoder_hidden_states=seen.repeat_interleave(len(questions), 0),
            return_dict=False,
        )[0]
        text, start = self.model.config.text_config, self.model.decoder_start_token_id
        return write(
            self.model.text_decoder,
            topk,
            input_ids=torch.full((len(mask), 1), start, device=self.device),
            eos_token_id=text.sep_token_id,
            pad_token_id=text.pad_token_id,
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
        )

    def _decode(self, sequences: Tensor) -> list[str]:
        return self.tokenizer.batch_decode(sequences, skip_special_tokens=True)
