"""Half-made pictures: x0 predicted on the way, for the oracle to learn to see early and for the judge to learn to refuse."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .captions import article, caption, intend
from .codec import encode
from .diffusion import Painter, predict
from .loop import device, random_at
from .pictures import Sprites, to_bytes
from .pictures import paint as draw
from .scenes import Scene
from .world import CATEGORIES, NOVEL, PRIOR

CHUNK = 64
BLIND = "blind"  # without any text, where an early x0 is a mere average
CAPTIONED = "captioned"  # CFG from a caption of the scene
STEERED = "steered"  # CFG from the category, away from other kinds of it: what a guide makes, most of it early
DRAWN = "drawn"  # in a real run of the sampler (drawn.py)
GUIDANCE = (1.5, 10.0)  # the scale of CFG is anywhere between
Decode = Callable[[Tensor], Tensor]  # scaled latents [B, 4, 16, 16] to pictures [B, 3, 128, 128] in -1..1


@dataclass(frozen=True)
class HalfMade:
    """Scenes, their x0 as pictures (uint8 [N, 3, 128, 128]), how far (t [N], 999 is noise) and in which manner drawn."""

    scenes: Sequence[Scene]
    pictures: Tensor
    times: Tensor
    manners: Sequence[str]


def half_made(
    paint: Painter, decode: Decode, sprites: Sprites, folder: Path, seed: int, name: str, size: int, manners: Sequence[str]
) -> HalfMade:
    """`size` pictures, drawn in the given manners in turn, a chunk in each; kept in `folder` under `name`."""
    chunks = [_chunk(random_at(seed, name, index), manners[index % len(manners)]) for index in range(size // CHUNK)]
    path = folder / f"{name}.pt"
    if not path.exists():
        made = [
            _unfinished(paint, decode, sprites, chunk, random_at(seed, f"{name}-noise", index), manners[index % len(manners)])
            for index, chunk in enumerate(tqdm(chunks, desc=f"half-made pictures for {name}"))
        ]
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
    paint: Painter, decode: Decode, sprites: Sprites, chunk: list[tuple[str, Scene]], rng: random.Random, manner: str
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(rng.getrandbits(63))
    share = torch.rand(len(chunk), device=device())
    t = ((share.sqrt() if manner == STEERED else share) * 1000).long().clamp(max=999)
    latents = encode(paint.vae, draw([scene for _, scene in chunk], sprites))
    guidance = rng.uniform(*GUIDANCE)
    if manner == BLIND:
        x0 = predict(paint, latents, [""] * len(chunk), t, guidance=1.0)
    elif manner == CAPTIONED:
        x0 = predict(paint, latents, [caption(rng, *pair) for pair in chunk], t, guidance)
    else:
        captions = [f"a photo of {article(scene.category)}" for _, scene in chunk]
        x0 = predict(paint, latents, captions, t, guidance, [_others(rng, scene) for _, scene in chunk])
    return to_bytes(decode(x0)), t.cpu()


def _others(rng: random.Random, scene: Scene) -> str:
    """A negative prompt: up to three other kinds of the scene's category, the usual ones rather than the rare."""
    return ", ".join(name for name in some_kinds(rng, scene.category, (4, 3, 2, 1)) if name not in (scene.kind, NOVEL))


def some_kinds(rng: random.Random, category: str, weights: Sequence[float]) -> list[str]:
    """None, one, two or three kinds of a category (with these weights), the usual ones rather than the rare."""
    count = rng.choices((0, 1, 2, 3), weights=weights)[0]
    found = dict.fromkeys(rng.choices(CATEGORIES[category], weights=PRIOR)[0] for _ in range(4 * count))
    return list(found)[:count]
