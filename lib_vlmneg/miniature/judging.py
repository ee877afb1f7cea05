"""Training of the judge, on data and a seed of its own: it measures, and never guides."""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from . import models
from .captions import intend, novel
from .halfmade import BLIND, HalfMade
from .loop import Stage, autocast, device, train
from .pictures import Sprites, from_bytes, paint
from .scenes import Scene, sample
from .spoiled import spoiled
from .world import ACCESSORIES, CATEGORIES

FINISHED = 100  # x0 predicted before this time step counts as a picture
UNFINISHED = 700  # x0 predicted without a prompt after this one counts as none
NOVEL = 0.2  # of the scenes


def train_judge(stage: Stage, known: HalfMade, sprites: Sprites, folder: Path, seed: int):
    """A Judge trained on scenes and nearly finished pictures, and to say none to what is spoiled and to unfinished x0."""
    model = models.Judge().to(device()).to(memory_format=torch.channels_last)
    finished = torch.nonzero(known.times < FINISHED).flatten().tolist()
    unfinished = [index for index, t in enumerate(known.times) if t >= UNFINISHED and known.manners[index] == BLIND]
    share = stage.batch // 8

    def loss(rng: random.Random) -> Tensor:
        fresh = [imagined(rng) for _ in range(3 * share)]
        nearly = [rng.choice(finished) for _ in range(share)]
        mush = from_bytes(known.pictures[[rng.choice(unfinished) for _ in range(share)]])
        images = torch.cat([paint(fresh, sprites), from_bytes(known.pictures[nearly]), spoiled(rng, 3 * share, sprites), mush])
        real = [*fresh, *(known.scenes[index] for index in nearly)]
        with autocast():
            kinds, accessories = (logits.float() for logits in model(images.contiguous(memory_format=torch.channels_last)))
        labels = [model.labels.index(scene.kind) for scene in real] + [len(model.labels) - 1] * (len(images) - len(real))
        worn = torch.tensor([[name in scene.accessories for name in ACCESSORIES] for scene in real], device=device())
        kind_loss = F.cross_entropy(kinds, torch.tensor(labels, device=device()))
        return kind_loss + F.binary_cross_entropy_with_logits(accessories[: len(real)], worn.float())

    train(stage, {"judge": model}, loss, folder, seed)
    return model


def imagined(rng: random.Random) -> Scene:
    """A scene as any, more often than any with something novel in it."""
    if rng.random() < NOVEL:
        return sample(rng, (novel(rng, rng.choice(tuple(CATEGORIES))),))
    return intend(rng)[1]


@torch.no_grad()
def verdicts(model: models.Judge, images: Tensor, chunk: int = 64) -> tuple[list[str], list[set[str]]]:
    """For pictures in -1..1: the kind of each, "novel" or "none", and the accessories it wears."""
    kinds: list[str] = []
    worn: list[set[str]] = []
    for part in images.split(chunk):
        kind, accessories = model(part.to(device()))
        kinds += [model.labels[index] for index in kind.argmax(1).tolist()]
        worn += [{name for name, logit in zip(ACCESSORIES, row) if logit > 0} for row in accessories.tolist()]
    return kinds, worn
