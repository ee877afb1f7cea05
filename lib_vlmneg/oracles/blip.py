"""BLIP (Li et al. 2022), finetuned for question answering: writes its answer, so it knows more words than ViLT's labels."""

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
from .sequences import grouped, write


class BlipOracle(LocalOracle):
    """A BlipForQuestionAnswering. The vision encoder sees each image once."""

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto"):
        super().__init__(name, device, dtype)
        self.tokenizer, self._pictures = self.processor.tokenizer, self.processor.image_processor
        self.input_side = int(self._pictures.size["height"])

    def read(self, name: str, **how: Any) -> tuple[Any, Any]:
        """By the processor's and the model's own class."""
        from transformers import BlipForQuestionAnswering, BlipProcessor

        return BlipProcessor.from_pretrained(name), BlipForQuestionAnswering.from_pretrained(name, **how)

    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers by beam search."""
        pixels = self._pictures([image.convert("RGB") for image in images], return_tensors="pt")["pixel_values"]
        limit = self.model.config.text_config.max_position_embeddings
        tokens = [self.tokenizer(question, truncation=True, max_length=limit)["input_ids"] for question in questions]
        found: dict[int, list[list[Answer]]] = {}
        with autocast(self.device, self.dtype):
            seen = self.model.vision_model(pixel_values=pixels.to(self.device))[0]
            for length in {len(each) for each in tokens}:  # without padding: transformers 5 forgets its mask in cross-attention
                chosen = [index for index, each in enumerate(tokens) if len(each) == length]
                replies = self._answers(seen, torch.tensor([tokens[index] for index in chosen]), topk)
                found.update(zip(chosen, zip(*replies)))
        return [[list(found[question][image]) for question in range(len(questions))] for image in range(len(images))]

    def _answers(self, seen: Tensor, words: Tensor, topk: int) -> list[list[list[Answer]]]:
        """As BlipForQuestionAnswering.generate, for images [I, P, C] and questions [Q, T] of one length."""
        text, count = self.model.config.text_config, len(seen) * len(words)
        states = self.model.text_encoder(
            input_ids=words.repeat(len(seen), 1).to(self.device),
            encoder_hidden_states=seen.repeat_interleave(len(words), 0),
            return_dict=False,
        )[0]
        sequences, scores = write(
            self.model.text_decoder,
            topk,
            input_ids=torch.full((count, 1), self.model.decoder_start_token_id, device=self.device),
            eos_token_id=text.sep_token_id,
            pad_token_id=text.pad_token_id,
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=self.device),
        )
        return grouped(sequences[:, 1:], scores, self._decode, len(seen), len(words))

    def _decode(self, sequences: Tensor) -> list[str]:
        return self.tokenizer.batch_decode(sequences, skip_special_tokens=True)
