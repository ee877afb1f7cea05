"""Questions as the public code of Golan et al. 2025 asks them: one picture and one question at a time, in single precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from ..oracles.registry import BLIP, VILT, family_of
from ..oracles.sequences import MOST_TOKENS

Ask = Callable[[Image.Image, str], str]
INSTRUCTION, TOKENS = "Answer with a single word.", 12  # as our chat models have them


def one_by_one(name: str, device: torch.device) -> Ask:
    """What answers, with the model and its processor as transformers loads them; each question prepares its picture again."""
    load = {VILT: _vilt, BLIP: _blip}.get(family_of(name), _chat)
    return torch.no_grad()(load(name, device))


def _vilt(name: str, device: torch.device) -> Ask:
    from transformers import ViltForQuestionAnswering, ViltProcessor

    processor, model = ViltProcessor.from_pretrained(name), _ready(ViltForQuestionAnswering, name, device)

    def ask(image: Image.Image, question: str) -> str:
        logits = model(**processor(image, question, truncation=True, return_tensors="pt").to(device)).logits
        return model.config.id2label[int(logits.argmax())]

    return ask


def _blip(name: str, device: torch.device) -> Ask:
    from transformers import BlipForQuestionAnswering, BlipProcessor

    processor, model = BlipProcessor.from_pretrained(name), _ready(BlipForQuestionAnswering, name, device)

    def ask(image: Image.Image, question: str) -> str:
        written = model.generate(**processor(image, question, return_tensors="pt").to(device), max_new_tokens=MOST_TOKENS)
        return processor.decode(written[0, 1:], skip_special_tokens=True).strip()

    return ask


def _chat(name: str, device: torch.device) -> Ask:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, model = AutoProcessor.from_pretrained(name), _ready(AutoModelForImageTextToText, name, device)

    def ask(image: Image.Image, question: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": f"{question} {INSTRUCTION}"}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=[text], images=[[image]], return_tensors="pt").to(device)
        written = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)[0, inputs["input_ids"].shape[1] :]
        return processor.decode(written, skip_special_tokens=True).strip()

    return ask


def _ready(kind: Any, name: str, device: torch.device) -> Any:
    return kind.from_pretrained(name).float().to(device).eval()
