"""The miniature's world: thirty-two kinds in four categories, drawn as 128x128 scenes from Fluent Emoji (MIT)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .world import BACKGROUNDS, CATEGORY_OF, HYBRID, KINDS, NOVEL

SIZE = 128
GROUND = 98  # first row of the ground, in pixels from the top
APART = 0.3  # of the scenes with several things: these stand beside each other, in the others one is behind the other


@dataclass(frozen=True)
class Scene:
    """One picture: what is in it and where. Lengths and positions are in pixels of the 128x128 picture.

    The first of `things` is the main one: it stands in front, or is the largest. A thing is a kind, an unnamed shape, or a
    hybrid of two kinds ("dog+cat": the upper half of a dog on the lower half of a cat).
    """

    things: tuple[str, ...]
    accessories: tuple[str, ...]
    background: str
    size: int
    x: int
    bottom: int
    flip: bool
    side: int  # -1 or 1: where the first accessory stands
    apart: bool = False

    @property
    def kind(self) -> str:
        """Of the main thing; "novel" for a hybrid and a shape that has no name."""
        return self.things[0] if self.things[0] in KINDS else NOVEL

    @property
    def category(self) -> str:
        """Of the main thing."""
        return CATEGORY_OF[self.things[0].split(HYBRID)[0]]


def sample(rng: random.Random, things: tuple[str, ...], accessories: tuple[str, ...] = ()) -> Scene:
    """A scene with these things and accessories, its layout drawn from `rng`."""
    side = rng.choice((-1, 1))
    lean = -side * 9 if len(accessories) == 1 and accessories != ("hat",) else 0  # make room for what stands beside
    return Scene(
        things=things,
        accessories=accessories,
        background=rng.choice(tuple(BACKGROUNDS)),
        size=rng.randint(72, 88),
        x=64 + lean + rng.randint(-6, 6),
        bottom=114 + rng.randint(-4, 4),
        flip=rng.random() < 0.5,
        side=side,
        apart=len(things) > 1 and rng.random() < APART,
    )


def draw(scene: Scene, sprites: Mapping[str, Image.Image]) -> Image.Image:
    """The scene as a 128x128 RGB picture; `sprites` are square RGBA pictures by name (see `sprites.load`)."""
    sky, ground = BACKGROUNDS[scene.background]
    image = Image.new("RGB", (SIZE, SIZE), sky)
    ImageDraw.Draw(image).rectangle((0, GROUND, SIZE, SIZE), fill=ground)
    for thing, (x, bottom, size) in reversed(list(zip(scene.things, _stand(scene)))):
        _paste(image, _sprite(thing, sprites), x, bottom - size // 2, size, scene.flip)
    for index, accessory in enumerate(scene.accessories):
        side = scene.side if index == 0 else -scene.side
        x, y, size = _place(scene, accessory, side)
        _paste(image, sprites[accessory], x, y, size, side < 0)
    return image


def _stand(scene: Scene) -> list[tuple[int, int, int]]:
    """Centre, lower edge and size of each thing, the main one first: alone, in a row, or before the others."""
    if len(scene.things) == 1:
        return [(scene.x, scene.bottom, scene.size)]
    shift = scene.x - 64
    if scene.apart:
        size = scene.size * (5 if len(scene.things) == 2 else 4) // 7
        step = 60 if len(scene.things) == 2 else 42
        places = [64 + shift // 2 + round((index - (len(scene.things) - 1) / 2) * step) for index in range(len(scene.things))]
        return [(x, scene.bottom, size + 8 * (index == 0)) for index, x in enumerate(places[:: scene.side])]
    behind = [(scene.x + sign * 24, scene.bottom - 16, scene.size - 6) for sign in (scene.side, -scene.side)]
    return [(scene.x - scene.side * 8 * (len(scene.things) == 2), scene.bottom, scene.size - 4), *behind]


def _place(scene: Scene, accessory: str, side: int) -> tuple[int, int, int]:
    """Centre and size of the accessory, clear of the picture's edge."""
    beside = scene.x + side * (scene.size // 2 + 6)
    places = {
        "hat": (scene.x, scene.bottom - scene.size - 2, 40),
        "flag": (beside, 62, 46),
        "balloon": (beside, 40, 44),
        "flower": (beside, 98, 38),
        "star": (beside, 28, 36),
    }
    x, y, size = places.get(accessory, (beside, 84, 44))
    half = size // 2
    return min(max(x, half), SIZE - half), min(max(y, half), SIZE - half), size


def _sprite(thing: str, sprites: Mapping[str, Image.Image]) -> Image.Image:
    """The picture of a thing; of a hybrid the upper half of the one on the lower half of the other."""
    upper, _, lower = thing.partition(HYBRID)
    if not lower:
        return sprites[thing]
    image, side = sprites[lower].copy(), sprites[lower].width
    image.paste(sprites[upper].crop((0, 0, side, side // 2)), (0, 0))
    return image


def _paste(image: Image.Image, sprite: Image.Image, x: int, y: int, size: int, flip: bool) -> None:
    sprite = sprite.resize((size, size), Image.Resampling.LANCZOS)
    if flip:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(sprite, (x - size // 2, y - size // 2), sprite)
