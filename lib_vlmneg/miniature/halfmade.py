"""Half-made pictures: x0 predicted on the way, for the oracle to learn to see early and for the judge to learn to refuse."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .captions import article, caption, intend
from .codec import decode, encode
from .diffusion import Painter, predict
from .loop import device, random_at
from .pictures import Sprites
from .pictures import paint as draw
from .scenes import CATEGORIES, CATEGORY_OF, PRIOR, Scene

CHUNK = 64
BLIND = "blind"  # without any text, where an early x0 is a mere average
CAPTIONED = "captioned"  # CFG from a caption of the scene
STEERED = "steered"  # CFG from the category, away from other kinds of it: what a guide makes, most of it early
DRAWN = "drawn"  # in a real run of the sampler (drawn.py)


@dataclass(frozen=True)
class HalfMade:
    """Scenes, their x0 as pictures (uint8 [N, 3, 128, 128]), how far (t [N], 999 is noise) and in which manner drawn."""

    scenes: Sequence[Scene]
    pictures: Tensor
    times: Tensor
    manners: Sequence[str]


def half_made(
    paint: Painter, sprites: Sprites, folder: Path, seed: int, name: str, size: int, manners: Sequence[str]
) -> HalfMade:
    """`size` pictures, drawn in the given manners in turn, a chunk in each; kept in `folder` under `name`."""
    chunks = [_chunk(random_at(seed, name, index), manners[index % len(manners)]) for index in range(size // CHUNK)]
    path = folder / f"{name}.pt"
    if not path.exists():
        made = [_unfinished(paint, sprites, chunk, random_at(seed, f"{name}-noise", index), manners[index % len(manners)])
                for index, chunk in enumerate(tqdm(chunks, desc=f"half-made pictures for {name}"))]  # fmt: skip
        torch.save([torch.cat(column) for column in zip(*made)], path)
    pictures, times = torch.load(path, weights_only=True)
    drawn = [manners[index // CHUNK % len(manners)] for index in range(len(times))]
    return HalfMade([scene for chunk in chunks for _, scene in chunk], pictures, times, drawn)


def _chunk(rng: random.Random, manner: str) -> list[tuple[str, Scene]]:
    """Intents and scenes; what is steered was asked for by its category."""
    pairs: list[tuple[str, Scene]] = []
    while len(pairs) < CHUNK:
        intent, scene = intend(rng)
        if manner != STEERED or intent == "category":
            pairs.append((intent, scene))
    return pairs


@torch.no_grad()
def _unfinished(
    paint: Painter, sprites: Sprites, chunk: list[tuple[str, Scene]], rng: random.Random, manner: str
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rng.getrandbits(63))
    share = torch.rand(len(chunk), device=device())
    t = ((share.sqrt() if manner == STEERED else share) * 1000).long().clamp(max=999)
    latents = encode(paint.vae, draw([scene for _, scene in chunk], sprites))
    if manner == BLIND:
        x0 = predict(paint, latents, [""] * len(chunk), t, guidance=1.0)
    elif manner == CAPTIONED:
        x0 = predict(paint, latents, [caption(rng, *pair) for pair in chunk], t, guidance=5.0)
    else:
        captions = [f"a photo of {article(scene.category)}" for _, scene in chunk]
        x0 = predict(paint, latents, captions, t, 4.5, [_others(rng, scene) for _, scene in chunk])
    return ((decode(paint.vae, x0).clamp(-1, 1) + 1) * 127.5).round().byte().cpu(), t.cpu()


def _others(rng: random.Random, scene: Scene) -> str:
    """A negative prompt: up to three other kinds of the scene's category, the usual ones rather than the rare."""
    names = CATEGORIES[CATEGORY_OF[scene.kind]]
    count = rng.choices((0, 1, 2, 3), weights=(4, 3, 2, 1))[0]
    drawn = dict.fromkeys(rng.choices(names, weights=PRIOR)[0] for _ in range(4 * count))
    return ", ".join([name for name in drawn if name != scene.kind][:count])
