"""Pictures really on their way: what the sampler has in mind at each step, named after what became of it.

An x0 predicted from a noised scene is not what a sampler sees: CFG has led it elsewhere since its first step. And what an
early x0 shows is undecided; the useful answer is what it is about to become.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from . import models, vqa
from .captions import ANSWERS, ASK_ACCESSORY, ASK_COLOR, ASK_KIND, FILLERS, NOTHING, OPENINGS, article
from .codec import decode
from .diffusion import Painter
from .halfmade import CHUNK, DRAWN, HalfMade
from .loop import autocast, device, random_at
from .scenes import ACCESSORIES, BACKGROUNDS, CATEGORIES, KINDS, PRIOR, Scene, sample

STEPS, GUIDANCE = 28, 4.5
LOOKS = (0, 1, 2, 3, 4, 6, 9, 14)  # the steps whose x0 is kept, most of them early
Eye = Callable[[Tensor, str, Sequence[str]], list[str]]


def drawn(paint: Painter, oracle, tokenizer, folder: Path, seed: int, name: str, size: int) -> HalfMade:
    """`size` looks at pictures drawn from category prompts, away from random kinds; `oracle` names the finished pictures."""
    path = folder / f"{name}.pt"
    if not path.exists():
        eye = _eye(oracle, tokenizer)
        made = [_chunk(paint, eye, random_at(seed, name, index))
                for index in tqdm(range(size // (CHUNK * len(LOOKS))), desc="drawing for the oracle")]  # fmt: skip
        torch.save([torch.cat([chunk[0] for chunk in made]), [label for chunk in made for label in chunk[1]]], path)
    pictures, labels = torch.load(path, weights_only=True)
    times = torch.tensor([999 - 999 * look // STEPS for look in LOOKS]).repeat_interleave(CHUNK).repeat(len(labels) // CHUNK)
    scenes = [_scene(*label) for label in labels]
    many = [scene for start in range(0, len(scenes), CHUNK) for _ in LOOKS for scene in scenes[start : start + CHUNK]]
    return HalfMade(many, pictures, times, [DRAWN] * len(many))


@torch.no_grad()
def _chunk(paint: Painter, eye: Eye, rng: random.Random) -> tuple[Tensor, list[tuple[str, str, str]]]:
    """x0 of CHUNK pictures at each look (uint8 [looks * CHUNK, 3, 128, 128]), and what each picture became."""
    from diffusers import EulerAncestralDiscreteScheduler

    scheduler = EulerAncestralDiscreteScheduler(**models.SCHEDULE, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    categories = [rng.choice(tuple(CATEGORIES)) for _ in range(CHUNK)]
    positive = paint.context([_prompt(rng, category) for category in categories])
    negative = paint.context([_kinds(rng, category) for category in categories])
    x = torch.randn(CHUNK, 4, 16, 16, generator=generator).to(device()) * scheduler.init_noise_sigma
    seen = []
    for step, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, t)
        with autocast():
            below, above = (paint.unet(scaled, t, context, return_dict=False)[0].float() for context in (negative, positive))
        result = scheduler.step(below + GUIDANCE * (above - below), t, x, generator=generator)
        x = result.prev_sample
        if step in LOOKS:
            seen.append(_bytes(decode(paint.vae, result.pred_original_sample)))
    finished = decode(paint.vae, x).clamp(-1, 1)
    asked = ((ASK_KIND[0], KINDS), (ASK_ACCESSORY[0], (*ACCESSORIES, NOTHING)), (ASK_COLOR[0], tuple(BACKGROUNDS)))
    return torch.cat(seen), list(zip(*(eye(finished, question, answers) for question, answers in asked)))


def _prompt(rng: random.Random, category: str) -> str:
    noun = f"{rng.choice(FILLERS)} {category}" if rng.random() < 0.25 else category
    return f"{rng.choice(OPENINGS)} {article(noun)}".strip()


def _kinds(rng: random.Random, category: str) -> str:
    """A negative prompt of up to three kinds of the category, the usual ones rather than the rare."""
    count = rng.choices((0, 1, 2, 3), weights=(4, 4, 3, 1))[0]
    found = dict.fromkeys(rng.choices(CATEGORIES[category], weights=PRIOR)[0] for _ in range(4 * count))
    return ", ".join(list(found)[:count])


def _eye(oracle, tokenizer) -> Eye:
    @torch.no_grad()
    def look(pictures: Tensor, question: str, answers: Sequence[str]) -> list[str]:
        """The likeliest of `answers` for each picture."""
        asked = vqa.words(tokenizer, [question.format(category="object")] * len(pictures))
        logits = oracle(**asked, pixel_values=pictures).logits[:, [ANSWERS.index(answer) for answer in answers]]
        return [answers[index] for index in logits.argmax(1).tolist()]

    return look


def _scene(kind: str, accessory: str, background: str) -> Scene:
    """What the questions are about; its layout is of no concern."""
    return replace(sample(random.Random(0), kind, None if accessory == NOTHING else accessory), background=background)


def _bytes(pictures: Tensor) -> Tensor:
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().cpu()
