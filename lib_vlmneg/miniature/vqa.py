"""Training of the eye: a ViLT that answers questions about finished and half-made pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import models
from .captions import ANSWERS, question
from .halfmade import HalfMade
from .loop import Stage, autocast, device, train
from .pictures import Sprites, imagine, paint
from .scenes import Scene


def words(tokenizer, questions: list[str]) -> dict[str, Tensor]:
    """Token ids and mask, padded to the longest question."""
    encoded = tokenizer(questions, padding=True, truncation=True, max_length=40, return_tensors="pt")
    return {"input_ids": encoded.input_ids.to(device()), "attention_mask": encoded.attention_mask.to(device())}


def train_oracle(
    stage: Stage, tokenizer, known: Sequence[HalfMade], sprites: Sprites, folder: Path, seed: int, model: Any = None
):
    """A ViLT trained on fresh scenes and, as often, on the half-made pictures of `known`; from `model` on if it is given."""
    model = model or models.oracle(tokenizer).to(device())
    share = stage.batch // 2 // len(known)

    def loss(rng: random.Random) -> Tensor:
        _, scenes = imagine(rng, stage.batch - share * len(known))
        images = [paint(scenes, sprites)]
        for some in known:
            chosen = [rng.randrange(len(some.scenes)) for _ in range(share)]
            images.append(from_bytes(some.pictures[chosen]))
            scenes += [some.scenes[index] for index in chosen]
        asked, answers = zip(*(question(rng, scene) for scene in scenes))
        labels = torch.zeros(len(answers), len(ANSWERS), device=device())
        labels[range(len(answers)), [ANSWERS.index(answer) for answer in answers]] = 1
        with autocast():
            return model(**words(tokenizer, list(asked)), pixel_values=torch.cat(images), labels=labels).loss

    train(stage, {"vilt": model}, loss, folder, seed)
    return model


@torch.no_grad()
def accuracy(model, tokenizer, images: Tensor, scenes: list[Scene], rng: random.Random, chunk: int = 64) -> float:
    """Share of right answers, one random question a picture."""
    right = 0
    for start in range(0, len(scenes), chunk):
        asked, answers = zip(*(question(rng, scene) for scene in scenes[start : start + chunk]))
        logits = model(**words(tokenizer, list(asked)), pixel_values=images[start : start + chunk]).logits
        right += sum(ANSWERS[index] == answer for index, answer in zip(logits.argmax(1).tolist(), answers))
    return right / len(scenes)


def from_bytes(pictures: Tensor) -> Tensor:
    """uint8 pictures as -1..1."""
    return pictures.to(device(), torch.float32) / 127.5 - 1
