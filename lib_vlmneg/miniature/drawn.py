"""Pictures really on their way: what a sampler has in mind at each step, named after what became of it.

An x0 predicted from a noised scene is not what a sampler sees: CFG has led it elsewhere since its first step. And what an
early x0 shows is undecided; the useful answer is what it is about to become.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from . import models, vqa
from .captions import FILLERS, OPENINGS, article
from .diffusion import Painter
from .halfmade import CHUNK, DRAWN, Decode, HalfMade, some_kinds
from .loop import autocast, device, random_at
from .pictures import to_bytes
from .questions import ANSWERS, ASK_ACCESSORY, ASK_COLOR, ASK_KIND, NOTHING, UNKNOWN
from .scenes import Scene, sample
from .world import ACCESSORIES, BACKGROUNDS, CATEGORIES, KINDS, UNNAMED

SAMPLERS = {  # most pictures are drawn in few steps, which takes less time: the first look is the same for all of them
    "EulerAncestralDiscreteScheduler": {},
    "DDIMScheduler": {"clip_sample": False, "set_alpha_to_one": False},
    "DPMSolverMultistepScheduler": {},
}
STEPS = {8: 4, 12: 3, 20: 2, 28: 1}
LOOKS = (0.25, 1 / 3, 0.5, 0.75)  # of the run, beside the first steps
FIRST = 3
PUSHED = 0.4  # of the chunks: away from some kinds from the second step on, as a guide does
SURE = (
    0.6  # the least probability of the kind that a finished picture is named by: what the oracle is not sure of it leaves out
)
Eye = Callable[[Tensor, str, Sequence[str]], list[tuple[str, float]]]


@dataclass(frozen=True)
class Run:
    """How one chunk is drawn."""

    sampler: str
    steps: int
    guidance: float
    prompts: list[str]
    negatives: list[str]  # from the second step on
    looks: tuple[int, ...]  # the steps whose x0 is kept


def drawn(paint: Painter, decode: Decode, oracle, tokenizer, folder: Path, seed: int, name: str, chunks: int) -> HalfMade:
    """Looks at chunks of pictures that samplers draw, most from category prompts; `oracle` names the finished pictures."""
    path = folder / f"{name}.pt"
    if not path.exists():
        eye = _eye(oracle, tokenizer)
        made = [_chunk(paint, decode, eye, random_at(seed, name, index))
                for index in tqdm(range(chunks), desc="drawing for the oracle")]  # fmt: skip
        torch.save(
            [torch.cat([chunk[0] for chunk in made]), *([item for chunk in made for item in chunk[part]] for part in (1, 2))],
            path,
        )
    pictures, times, labels = torch.load(path, weights_only=True)
    return HalfMade([_scene(*label) for label in labels], pictures, torch.tensor(times), [DRAWN] * len(times))


def plan(rng: random.Random) -> Run:
    """How one chunk is to be drawn."""
    sampler, steps = rng.choice(tuple(SAMPLERS)), rng.choices(tuple(STEPS), weights=STEPS.values())[0]
    categories = [rng.choice(tuple(CATEGORIES)) for _ in range(CHUNK)]
    pushed = rng.random() < PUSHED
    negatives = [", ".join(some_kinds(rng, category, (1, 4, 3, 1))) if pushed else "" for category in categories]
    looks = {*range(FIRST), *(round(share * steps) for share in LOOKS)} - ({0} if pushed else set())
    prompts = [_prompt(rng, category) for category in categories]
    return Run(sampler, steps, rng.choice((rng.uniform(1, 10), rng.uniform(3, 10))), prompts, negatives, tuple(sorted(looks)))


@torch.no_grad()
def _chunk(paint: Painter, decode: Decode, eye: Eye, rng: random.Random) -> tuple[Tensor, list[int], list[list[str]]]:
    """x0 of up to CHUNK pictures at each look (uint8 [N, 3, 128, 128]), when that was, and what each picture became."""
    run = plan(rng)
    seen, finished = _draw(paint, run, torch.Generator().manual_seed(rng.getrandbits(63)))
    finished = decode(finished).clamp(-1, 1)
    asked = (
        (ASK_KIND[0], (*KINDS, UNKNOWN)),
        (ASK_ACCESSORY[0], (*ACCESSORIES, NOTHING)),
        (ASK_COLOR[0], tuple(BACKGROUNDS)),
    )
    named = list(zip(*(eye(finished, question, answers) for question, answers in asked)))
    sure = [index for index, label in enumerate(named) if label[0][1] >= SURE]
    labels = [[answer for answer, _ in named[index]] for index in sure]
    times = [t for t in seen for _ in sure]
    return torch.cat([to_bytes(decode(x0))[sure] for x0 in seen.values()]), times, labels * len(seen)


def _draw(paint: Painter, run: Run, generator: torch.Generator) -> tuple[dict[int, Tensor], Tensor]:
    """x0 at the looks, by time step, and the finished latents."""
    scheduler = _scheduler(run.sampler)
    scheduler.set_timesteps(run.steps)
    positive, plain, pushed = (paint.context(text) for text in (run.prompts, [""] * CHUNK, run.negatives))
    x = torch.randn(CHUNK, 4, 16, 16, generator=generator).to(device()) * scheduler.init_noise_sigma
    options = {} if run.sampler == "DPMSolverMultistepScheduler" else {"generator": generator}
    seen = {}
    for step, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, t)
        contexts = torch.cat([plain if step == 0 else pushed, positive])
        with autocast():
            below, above = paint.unet(torch.cat([scaled, scaled]), t, contexts, return_dict=False)[0].float().chunk(2)
        eps = below + run.guidance * (above - below)
        if step in run.looks:
            abar = paint.alphas[int(t)]
            seen[int(t)] = (scaled - (1 - abar).sqrt() * eps) / abar.sqrt()
        x = scheduler.step(eps, t, x, **options).prev_sample
    return seen, x


def _scheduler(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)(**models.SCHEDULE, timestep_spacing="trailing", **SAMPLERS[name])


def _prompt(rng: random.Random, category: str) -> str:
    noun = category if rng.random() < 0.8 else rng.choice(CATEGORIES[category])
    noun = f"{rng.choice(FILLERS)} {noun}" if rng.random() < 0.25 else noun
    return f"{rng.choice(OPENINGS)} {article(noun)}".strip()


def _eye(oracle, tokenizer) -> Eye:
    @torch.no_grad()
    def look(pictures: Tensor, question: str, answers: Sequence[str]) -> list[tuple[str, float]]:
        """The likeliest of `answers` for each picture, and its probability."""
        asked = vqa.words(tokenizer, [question.format(category="object")] * len(pictures))
        logits = oracle(**asked, pixel_values=pictures).logits[:, [ANSWERS.index(answer) for answer in answers]]
        scores, places = logits.sigmoid().max(1)
        return [(answers[place], score) for place, score in zip(places.tolist(), scores.tolist())]

    return look


def _scene(kind: str, accessory: str, background: str) -> Scene:
    """What the questions are about; its layout is of no concern."""
    thing = UNNAMED["pet"][0] if kind == UNKNOWN else kind
    scene = sample(random.Random(0), (thing,), () if accessory == NOTHING else (accessory,))
    return replace(scene, background=background)
