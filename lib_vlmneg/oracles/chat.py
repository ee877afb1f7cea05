"""Chat models that see (LLaVA, Qwen-VL, SmolVLM, Idefics3: whatever transformers loads for image-text-to-text)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from .base import Answer
from .local import LocalOracle
from .sequences import grouped, write
from .vocabulary import Vocabulary

SIDE = 384  # pixels, where a model takes any size: enough to name what is seen
NESTED = ("idefics", "smolvlm")  # processors that want a list of images for each text


@dataclass(frozen=True)
class Prompting:
    """How a question is put. `examples` are pictures with question and answer that come first (VL-DNP, Chang et al. 2025)."""

    instruction: str = "Answer with a single word."
    examples: tuple[tuple[Image.Image, str, str], ...] = ()
    vocabulary: tuple[str, ...] = ()  # the only answers that are allowed; empty: any
    tokens: int = 12


class ChatOracle(LocalOracle):
    """A chat model. All images and questions are one batch; greedy, or `topk` beams."""

    input_side = SIDE
    casts = False  # these models are large, and made for it

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto", prompting: Prompting = Prompting()):
        super().__init__(name, device, dtype)
        self.prompting = prompting
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"  # so that all answers begin at the same place
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        _whole(self.processor.image_processor)
        self._vocabulary = Vocabulary(prompting.vocabulary, tokenizer) if prompting.vocabulary else None

    def read(self, name: str, **how: Any) -> tuple[Any, Any]:
        """By transformers' auto classes."""
        import transformers

        older = getattr(transformers, "AutoModelForVision2Seq", None)
        auto = getattr(transformers, "AutoModelForImageTextToText", older)
        if auto is None:
            raise ImportError(f"transformers 4.46 or later, here is {transformers.__version__}")
        return transformers.AutoProcessor.from_pretrained(name), auto.from_pretrained(name, **how)

    def answer(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers."""
        pairs = [(_fitted(image), question) for image in images for question in questions]
        inputs = self._inputs(pairs)
        begun = inputs["input_ids"].shape[1]
        allowed = {"prefix_allowed_tokens_fn": self._vocabulary.after(begun)} if self._vocabulary else {}
        tokens = self.processor.tokenizer
        sequences, scores = write(
            self.model, topk, self.prompting.tokens, **inputs, pad_token_id=tokens.pad_token_id, **allowed
        )

        def decode(rows: Tensor) -> list[str]:
            return tokens.batch_decode(rows[:, begun:], skip_special_tokens=True)

        return grouped(sequences, scores, decode, len(images), len(questions))

    def _inputs(self, pairs: Sequence[tuple[Image.Image, str]]) -> dict[str, Tensor]:
        shown = [_fitted(image) for image, _, _ in self.prompting.examples]
        texts = [self.processor.apply_chat_template(self._talk(question), add_generation_prompt=True) for _, question in pairs]
        pictures: list[Any] = [[*shown, image] for image, _ in pairs]
        if not any(name in type(self.processor).__name__.lower() for name in NESTED):
            pictures = [image for group in pictures for image in group]
        made = self.processor(text=texts, images=pictures, padding=True, return_tensors="pt").to(self.device)
        return {name: value.to(self.dtype) if value.is_floating_point() else value for name, value in made.items()}

    def _talk(self, question: str) -> list[dict[str, Any]]:
        """The examples as earlier turns, then the question."""
        turns = []
        for _, asked, answer in self.prompting.examples:
            turns += [self._turn(asked), {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
        return [*turns, self._turn(question)]

    def _turn(self, question: str) -> dict[str, Any]:
        text = f"{question} {self.prompting.instruction}".strip()
        return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}


def _whole(pictures: Any) -> None:
    """Idefics3 and SmolVLM enlarge a picture to 2048 px and see 17 pieces of it, to read small print; here it is one."""
    if getattr(pictures, "do_image_splitting", False):
        pictures.do_image_splitting = False
        pictures.size = pictures.max_image_size


def _fitted(image: Image.Image) -> Image.Image:
    """In RGB and no larger than needed: a chat model takes a token for each patch."""
    picture = image.convert("RGB")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture
