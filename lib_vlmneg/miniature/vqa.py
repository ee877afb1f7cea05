"""Training of the eye: a ViLT that answers questions about finished and half-made pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .halfmade import HalfMade
from .loop import Stage, autocast, device, train
from .pictures import Sprites, from_bytes, imagine, paint
from .questions import ANSWERS, question
from .scenes import Scene


def words(tokenizer, questions: list[str]) -> dict[str, Tensor]:
    """Token ids and mask, padded to the longest question."""
    encoded = tokenizer(questions, padding=True, truncation=True, max_length=40, return_tensors="pt")
    return {"input_ids": encoded.input_ids.to(device()), "attention_mask": encoded.attention_mask.to(device())}


def train_oracle(
    stage: Stage, model: Any, tokenizer, known: Sequence[HalfMade], sprites: Sprites, folder: Path, seed: int
) -> None:
    """Trains a ViLT on fresh scenes (half of each batch) and on the half-made pictures of `known`, as often on each."""
    share = stage.batch // 2 // len(known)

    def loss(rng: random.Random) -> Tensor:
        _, scenes = imagine(rng, stage.batch - share * len(known))
        images = [paint(scenes, sprites)]
        for some in known:
            chosen = [rng.randrange(len(some.scenes)) for _ in range(share)]
            images.append(from_bytes(some.pictures[chosen]))
            scenes += [some.scenes[index] for index in chosen]
        asked, answers = zip(*(question(rng, scene) for scene in scenes))
        labels = torch.tensor([[right.get(answer, 0.0) for answer in ANSWERS] for right in answers], device=device())
        with autocast():
            return model(**words(tokenizer, list(asked)), pixel_values=torch.cat(images), labels=labels).loss

    train(stage, {"vilt": model}, loss, folder, seed)


@torch.no_grad()
def accuracy(model, tokenizer, images: Tensor, scenes: list[Scene], rng: random.Random, chunk: int = 64) -> float:
    """Share of right answers, one random question a picture."""
    right = 0
    for start in range(0, len(scenes), chunk):
        asked, answers = zip(*(question(rng, scene) for scene in scenes[start : start + chunk]))
        logits = model(**words(tokenizer, list(asked)), pixel_values=images[start : start + chunk]).logits
        right += sum(ANSWERS[index] in answer for index, answer in zip(logits.argmax(1).tolist(), answers))
    return right / len(scenes)
