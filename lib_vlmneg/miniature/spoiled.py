"""Pictures that are of nothing: blends, torn and melted scenes, blurs, empty rooms. The judge learns to call them none."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from .captions import intend
from .pictures import Sprites, to_tensor
from .scenes import SIZE, draw
from .world import BACKGROUNDS


def spoiled(rng: random.Random, count: int, sprites: Sprites) -> Tensor:
    """`count` of them, of all sorts."""
    return to_tensor(rng.choice((_blend, _blend, _torn, _melted, _melted, _blur, _empty))(rng, sprites) for _ in range(count))


def sorts(rng: random.Random, count: int, sprites: Sprites) -> dict[str, Tensor]:
    """The sorts that the judge is measured on, `count` of each."""
    named = {"blends": _blend, "blurs": _blur, "melted": _melted}
    return {name: to_tensor(make(rng, sprites) for _ in range(count)) for name, make in named.items()}


def _one(rng: random.Random, sprites: Sprites) -> Image.Image:
    return draw(intend(rng)[1], sprites)


def _two(rng: random.Random, sprites: Sprites) -> tuple[Image.Image, Image.Image]:
    while True:
        first, second = intend(rng)[1], intend(rng)[1]
        if first.things[0] != second.things[0]:
            return draw(first, sprites), draw(second, sprites)


def _blend(rng: random.Random, sprites: Sprites) -> Image.Image:
    return Image.blend(*_two(rng, sprites), rng.uniform(0.35, 0.65))


def _torn(rng: random.Random, sprites: Sprites) -> Image.Image:
    """The left half of one scene beside the right half of another."""
    left, right = _two(rng, sprites)
    box = (SIZE // 2, 0, SIZE, SIZE)
    left.paste(right.crop(box), box)
    return left


def _melted(rng: random.Random, sprites: Sprites) -> Image.Image:
    """Every pixel is fetched from a few pixels away, by a smooth random field."""
    image = np.asarray(_one(rng, sprites))
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    side, reach = rng.choice((6, 8, 12)), rng.uniform(9, 16)
    down, right = (_field(rng, side) * reach for _ in range(2))
    found = image[np.clip(rows + down, 0, SIZE - 1).astype(int), np.clip(columns + right, 0, SIZE - 1).astype(int)]
    return Image.fromarray(found).filter(ImageFilter.GaussianBlur(1))


def _field(rng: random.Random, side: int) -> np.ndarray:
    """Smooth random numbers [SIZE, SIZE], most between -1 and 1."""
    coarse = np.array([[rng.gauss(0, 0.7) for _ in range(side)] for _ in range(side)], dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _blur(rng: random.Random, sprites: Sprites) -> Image.Image:
    return _one(rng, sprites).filter(ImageFilter.GaussianBlur(rng.uniform(8, 16)))


def _empty(rng: random.Random, sprites: Sprites) -> Image.Image:
    sky, ground = rng.choice(tuple(BACKGROUNDS.values()))
    image = Image.new("RGB", (SIZE, SIZE), sky)
    ImageDraw.Draw(image).rectangle((0, rng.randint(90, 106), SIZE, SIZE), fill=ground)
    return image
