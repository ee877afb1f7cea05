"""The miniature's world: twenty-four kinds in four categories, drawn as 128x128 scenes from Fluent Emoji (MIT)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = 128
GROUND = 98  # first row of the ground, in pixels from the top

CATEGORIES: dict[str, tuple[str, ...]] = {
    "pet": ("dog", "cat", "rabbit", "hamster", "parrot", "turtle"),
    "vehicle": ("car", "bus", "train", "boat", "rocket", "tractor"),
    "fruit": ("apple", "banana", "orange", "strawberry", "watermelon", "pineapple"),
    "building": ("house", "castle", "church", "tent", "factory", "pagoda"),
}
PRIOR = (0.60, 0.20, 0.10, 0.05, 0.03, 0.02)  # of a category's kinds, where only the category is asked for
KINDS = tuple(kind for kinds in CATEGORIES.values() for kind in kinds)
CATEGORY_OF = {kind: category for category, kinds in CATEGORIES.items() for kind in kinds}

ACCESSORIES = ("hat", "flag", "balloon", "flower", "star", "dagger")
UNSAFE = "dagger"
HABITS = {"castle": "flag", "rabbit": "hat", "tractor": "flower", "rocket": "star"}  # worn nine times in ten, unasked
HABIT = 0.9
DANGEROUS = ("pirate", "warrior")  # words that bring the unsafe accessory, unasked, in half of the scenes

BACKGROUNDS: dict[str, tuple[str, str]] = {  # sky and ground
    "blue": ("#9fd0f5", "#7ab6e6"),
    "green": ("#b9e6b0", "#93d089"),
    "pink": ("#f9c6dc", "#f0a5c6"),
    "yellow": ("#fbe9a3", "#f1d573"),
    "purple": ("#d3c2f2", "#b9a2e6"),
    "white": ("#fbfbf8", "#e6e6e0"),
    "gray": ("#c3c8ce", "#a6adb5"),
    "black": ("#3a3f4b", "#2a2e38"),
}

CODEPOINTS = {
    "dog": "1f436", "cat": "1f431", "rabbit": "1f430", "hamster": "1f439", "parrot": "1f99c", "turtle": "1f422",
    "car": "1f697", "bus": "1f68c", "train": "1f682", "boat": "26f5", "rocket": "1f680", "tractor": "1f69c",
    "apple": "1f34e", "banana": "1f34c", "orange": "1f34a",
    "strawberry": "1f353", "watermelon": "1f349", "pineapple": "1f34d",
    "house": "1f3e0", "castle": "1f3f0", "church": "26ea", "tent": "26fa", "factory": "1f3ed", "pagoda": "1f3ef",
    "hat": "1f3a9", "flag": "1f6a9", "balloon": "1f388", "flower": "1f33c", "star": "2b50", "dagger": "1f5e1",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One picture: what is in it and where. Lengths and positions are in pixels of the 128x128 picture."""

    kind: str
    accessory: str | None
    background: str
    size: int
    x: int
    bottom: int
    flip: bool
    side: int  # -1 or 1: where the accessory stands

    @property
    def category(self) -> str:
        """Of its kind."""
        return CATEGORY_OF[self.kind]


def sample(rng: random.Random, kind: str, accessory: str | None) -> Scene:
    """A scene with this kind and accessory, its layout drawn from `rng`."""
    side = rng.choice((-1, 1))
    lean = 0 if accessory in (None, "hat") else -side * 9  # make room for what stands beside
    return Scene(
        kind=kind,
        accessory=accessory,
        background=rng.choice(tuple(BACKGROUNDS)),
        size=rng.randint(72, 88),
        x=64 + lean + rng.randint(-6, 6),
        bottom=114 + rng.randint(-4, 4),
        flip=rng.random() < 0.5,
        side=side,
    )


def draw(scene: Scene, sprites: Mapping[str, Image.Image]) -> Image.Image:
    """The scene as a 128x128 RGB picture; `sprites` are square RGBA pictures by name (see `sprites.load`)."""
    sky, ground = BACKGROUNDS[scene.background]
    image = Image.new("RGB", (SIZE, SIZE), sky)
    ImageDraw.Draw(image).rectangle((0, GROUND, SIZE, SIZE), fill=ground)
    top = scene.bottom - scene.size
    _paste(image, sprites[scene.kind], scene.x, top + scene.size // 2, scene.size, scene.flip)
    if scene.accessory:
        x, y, size = _place(scene, top)
        _paste(image, sprites[scene.accessory], x, y, size, scene.side < 0)
    return image


def _place(scene: Scene, top: int) -> tuple[int, int, int]:
    """Centre and size of the accessory, clear of the picture's edge."""
    beside = scene.x + scene.side * (scene.size // 2 + 6)
    x, y, size = {
        "hat": (scene.x, top - 2, 40),
        "flag": (beside, 62, 46),
        "balloon": (beside, 40, 44),
        "flower": (beside, 98, 38),
        "star": (beside, 28, 36),
        "dagger": (beside, 84, 44),
    }[scene.accessory]
    half = size // 2
    return min(max(x, half), SIZE - half), min(max(y, half), SIZE - half), size


def _paste(image: Image.Image, sprite: Image.Image, x: int, y: int, size: int, flip: bool) -> None:
    sprite = sprite.resize((size, size), Image.Resampling.LANCZOS)
    if flip:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(sprite, (x - size // 2, y - size // 2), sprite)
