"""Chat models that see (LLaVA, Qwen-VL, SmolVLM, Idefics3: whatever transformers loads for image-text-to-text)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from .base import Answer
from .local import LocalOracle
from .prompting import Prompting
from .sequences import grouped, write
from .vocabulary import Vocabulary

SIDE = 384  # pixels, where a model takes any size: enough to name what is seen
INSTRUCTION, TOKENS = "Answer with a single word.", 12  # what is not said otherwise
NESTED = ("idefics", "smolvlm")  # processors that want a list of images for each text


class ChatOracle(LocalOracle):
    """A chat model. All images and questions are one batch; greedy, or `topk` beams."""

    input_side = SIDE
    chats = True
    casts = False  # these models are large, and made for it

    def __init__(self, name: str, device: str = "auto", dtype: str = "auto", prompting: Prompting | None = None):
        super().__init__(name, device, dtype)
        self.prompting = prompting or Prompting()
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"  # so that all answers begin at the same place
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        _whole(self.processor.image_processor)

    def read(self, name: str, **how: Any) -> tuple[Any, Any]:
        """By transformers' auto classes."""
        import transformers

        older = getattr(transformers, "AutoModelForVision2Seq", None)
        auto = getattr(transformers, "AutoModelForImageTextToText", older)
        if auto is None:
            raise ImportError(f"transformers 4.46 or later, here is {transformers.__version__}")
        return transformers.AutoProcessor.from_pretrained(name), auto.from_pretrained(name, **how)

    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, `topk` answers."""
        prompting, tokens = prompting or self.prompting, self.processor.tokenizer
        inputs = self._inputs([(image, question) for image in images for question in questions], prompting)
        begun = inputs["input_ids"].shape[1]
        vocabulary = Vocabulary(prompting.vocabulary, tokens) if prompting.vocabulary else None
        allowed = {"prefix_allowed_tokens_fn": vocabulary.after(begun)} if vocabulary else {}
        sequences, scores = write(
            self.model, topk, prompting.tokens or TOKENS, **inputs, pad_token_id=tokens.pad_token_id, **allowed
        )

        def decode(rows: Tensor) -> list[str]:
            return tokens.batch_decode(rows[:, begun:], skip_special_tokens=True)

        return grouped(sequences, scores, decode, len(images), len(questions))

    def _inputs(self, pairs: Sequence[tuple[Image.Image, str]], prompting: Prompting) -> dict[str, Tensor]:
        side = prompting.side or SIDE
        shown = [_fitted(image, side) for image, _, _ in prompting.examples]
        talks = [_talk(question, prompting) for _, question in pairs]
        texts = [self.processor.apply_chat_template(talk, add_generation_prompt=True) for talk in talks]
        pictures: list[Any] = [[*shown, _fitted(image, side)] for image, _ in pairs]
        if not any(name in type(self.processor).__name__.lower() for name in NESTED):
            pictures = [image for group in pictures for image in group]
        made = self.processor(text=texts, images=pictures, padding=True, return_tensors="pt").to(self.device)
        return {name: value.to(self.dtype) if value.is_floating_point() else value for name, value in made.items()}


def _talk(question: str, prompting: Prompting) -> list[dict[str, Any]]:
    """The examples as earlier turns, then the question."""
    instruction = INSTRUCTION if prompting.instruction is None else prompting.instruction

    def turn(asked: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": f"{asked} {instruction}".strip()}]}

    turns = []
    for _, asked, answer in prompting.examples:
        turns += [turn(asked), {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    return [*turns, turn(question)]


def _whole(pictures: Any) -> None:
    """Idefics3 and SmolVLM enlarge a picture to 2048 px and see 17 pieces of it, to read small print; here it is one."""
    if getattr(pictures, "do_image_splitting", False):
        pictures.do_image_splitting = False
        pictures.size = pictures.max_image_size


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """In RGB and no larger than needed: a chat model takes a token for each patch."""
    picture = image.convert("RGB")
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture
