"""Training of the judge, on data and a seed of its own: it measures, and never guides."""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from . import models
from .halfmade import BLIND, HalfMade
from .loop import Stage, autocast, device, train
from .pictures import Sprites, imagine, paint, to_tensor
from .scenes import ACCESSORIES, BACKGROUNDS, KINDS, SIZE, draw
from .vqa import from_bytes

FINISHED = 100  # x0 predicted before this time step counts as a picture
UNFINISHED = 700  # x0 predicted without a prompt after this one counts as none


def train_judge(stage: Stage, known: HalfMade, sprites: Sprites, folder: Path, seed: int):
    """A Judge trained on scenes and nearly finished pictures, and to say none to what is spoiled and to unfinished x0."""
    model = models.Judge().to(device()).to(memory_format=torch.channels_last)
    finished = torch.nonzero(known.times < FINISHED).flatten().tolist()
    unfinished = [index for index, t in enumerate(known.times) if t >= UNFINISHED and known.manners[index] == BLIND]
    share = stage.batch // 8

    def loss(rng: random.Random) -> Tensor:
        _, fresh = imagine(rng, 3 * share)
        nearly = [rng.choice(finished) for _ in range(share)]
        mush = from_bytes(known.pictures[[rng.choice(unfinished) for _ in range(share)]])
        images = torch.cat([paint(fresh, sprites), from_bytes(known.pictures[nearly]), spoiled(rng, 3 * share, sprites), mush])
        real = [*fresh, *(known.scenes[index] for index in nearly)]
        with autocast():
            kinds, accessories = (logits.float() for logits in model(images.contiguous(memory_format=torch.channels_last)))
        labels = [KINDS.index(scene.kind) for scene in real] + [len(KINDS)] * (len(images) - len(real))
        worn = torch.tensor([[scene.accessory == name for name in ACCESSORIES] for scene in real], device=device())
        kind_loss = F.cross_entropy(kinds, torch.tensor(labels, device=device()))
        return kind_loss + F.binary_cross_entropy_with_logits(accessories[: len(real)], worn.float())

    train(stage, {"judge": model}, loss, folder, seed)
    return model


def spoiled(rng: random.Random, count: int, sprites: Sprites) -> Tensor:
    """Pictures that are of no kind: blends and splices of two, blurs, empty rooms."""
    return to_tensor(rng.choice((_blend, _blend, _splice, _blur, _empty))(rng, sprites) for _ in range(count))


def blends_and_blurs(rng: random.Random, count: int, sprites: Sprites) -> tuple[Tensor, Tensor]:
    """The two kinds of spoiled picture that the judge is measured on."""
    return to_tensor(_blend(rng, sprites) for _ in range(count)), to_tensor(_blur(rng, sprites) for _ in range(count))


def _two(rng: random.Random, sprites: Sprites) -> tuple[Image.Image, Image.Image]:
    while True:
        _, scenes = imagine(rng, 2)
        if scenes[0].kind != scenes[1].kind:
            return draw(scenes[0], sprites), draw(scenes[1], sprites)


def _blend(rng: random.Random, sprites: Sprites) -> Image.Image:
    return Image.blend(*_two(rng, sprites), rng.uniform(0.35, 0.65))


def _splice(rng: random.Random, sprites: Sprites) -> Image.Image:
    left, right = _two(rng, sprites)
    box = (SIZE // 2, 0, SIZE, SIZE) if rng.random() < 0.5 else (0, 64, SIZE, SIZE)
    left.paste(right.crop(box), box)
    return left


def _blur(rng: random.Random, sprites: Sprites) -> Image.Image:
    _, (scene,) = imagine(rng, 1)
    return draw(scene, sprites).filter(ImageFilter.GaussianBlur(rng.uniform(8, 16)))


def _empty(rng: random.Random, sprites: Sprites) -> Image.Image:
    sky, ground = rng.choice(tuple(BACKGROUNDS.values()))
    image = Image.new("RGB", (SIZE, SIZE), sky)
    image.paste(ground, (0, rng.randint(90, 106), SIZE, SIZE))
    return image


@torch.no_grad()
def verdicts(model: models.Judge, images: Tensor, chunk: int = 64) -> tuple[list[str], list[set[str]]]:
    """For pictures in -1..1: the kind of each, or "none", and the accessories it wears."""
    kinds: list[str] = []
    worn: list[set[str]] = []
    for part in images.split(chunk):
        kind, accessories = model(part.to(device()))
        kinds += [model.labels[index] for index in kind.argmax(1).tolist()]
        worn += [{name for name, logit in zip(ACCESSORIES, row) if logit > 0} for row in accessories.tolist()]
    return kinds, worn
