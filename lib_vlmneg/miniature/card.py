"""The model card: what the miniature is, and its figures on scenes that no training saw."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline
from ..settings import Settings
from . import codec, diffusion, judging, models, scenes, spoiled, vqa
from .captions import OPENINGS, article, novel
from .pictures import Sprites, imagine, paint, to_tensor
from .publish import load_judge
from .world import CATEGORIES, KINDS, NOVEL, NOVEL_SHARE, PRIOR, UNSAFE

HELD_OUT = 10**6  # added to the seed
STEPS = (999, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0)
BATCH = 12


def write(folder: Path, sprites: Sprites, seed: int, count: int) -> None:
    """Measures the weights in `folder`, prints the figures and writes them into its README.md."""
    text = TEMPLATE.format(**figures(folder, sprites, seed + HELD_OUT, count))
    (folder / "README.md").write_text(text)
    print(text)


def figures(folder: Path, sprites: Sprites, seed: int, count: int) -> dict[str, str]:
    """Everything that the card says, as text; `count` scales how much is measured."""
    pipe, _ = load_pipeline(str(folder))
    pipe.set_progress_bar_config(disable=True)
    judge = load_judge(folder / "judge")
    rng = random.Random(seed)
    _, scenes = imagine(rng, 10 * count)
    pictures = paint(scenes, sprites)
    eye = _Eye(folder / "vilt")
    by_step = {step: eye.accuracy(*x0_at(pipe, sprites, rng, 4 * count, step), rng) for step in STEPS}
    drawn = [f"{opening} {article(kind)}".strip() for kind in KINDS for opening in OPENINGS[: 2 if count > 50 else 1]]
    named = name(judge, sample(pipe, drawn, seed))
    recognised = sum(kind in prompt.split() for kind, prompt in zip(named, drawn)) / len(drawn)
    plain = {
        category: Counter(name(judge, sample(pipe, [f"a photo of a {category}"] * count, seed))) for category in CATEGORIES
    }
    return {
        "clean": f"{eye.accuracy(pictures, scenes, rng):.1%}",
        "by_step": "\n".join(f"| {step} | {share:.1%} |" for step, share in by_step.items()),
        "recognised": f"{recognised:.1%}",
        "prompts": str(len(drawn)),
        "missed": ", ".join(f"{prompt} ({kind})" for kind, prompt in zip(named, drawn) if kind not in prompt.split()) or "none",
        "plain": "\n".join(f"| {category} | {_counted(counts)} |" for category, counts in plain.items()),
        "count": str(count),
        "prior": ", ".join(f"{kind} {share:.1%}" for kind, share in zip(CATEGORIES["pet"], PRIOR)),
        "novel_share": f"{NOVEL_SHARE:.1%}",
        "unsafe": ", ".join(UNSAFE),
        "kinds": str(len(KINDS)),
        "size": f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.0f}",
    } | _judged(judge, pipe, pictures, sprites, rng, 10 * count)


def _judged(
    judge: models.Judge, pipe: Any, pictures: torch.Tensor, sprites: Sprites, rng: random.Random, count: int
) -> dict[str, str]:
    unfinished = torch.cat([x0_at(pipe, sprites, rng, count // 4, step, blind=True)[0] for step in (999, 900, 800, 700)])
    strange = paint([scenes.sample(rng, (novel(rng, rng.choice(tuple(CATEGORIES))),)) for _ in range(count)], sprites)
    sets = {"accepts": pictures, "unfinished": unfinished} | spoiled.sorts(rng, count, sprites)
    shares = {label: sum(kind != "none" for kind in name(judge, images)) / len(images) for label, images in sets.items()}
    shares["novel"] = sum(kind == NOVEL for kind in name(judge, strange)) / count
    return {label: f"{share:.1%}" for label, share in shares.items()}


def _counted(counts: Counter) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in counts.most_common())


class _Eye:
    """The oracle, asked as the training asks."""

    def __init__(self, folder: Path):
        self._oracle = load_oracle(str(folder), dtype="float32")  # as it was trained, whatever the processor

    def accuracy(self, pictures: torch.Tensor, scenes: list, rng: random.Random) -> float:
        return vqa.accuracy(self._oracle.model, self._oracle.tokenizer, pictures, scenes, rng)


@torch.no_grad()
def x0_at(pipe: Any, sprites: Sprites, rng: random.Random, count: int, step: int, blind: bool = False) -> tuple:
    """Pictures [count, 3, 128, 128] of x0 predicted at time `step` with CFG 4.5 (blind: without a prompt), and their scenes."""
    _, scenes = imagine(rng, count)
    painter = diffusion.Painter(pipe.tokenizer, pipe.text_encoder, pipe.unet, pipe.vae, diffusion.noise_schedule())
    torch.manual_seed(rng.getrandbits(63))
    captions = ["" if blind else f"a photo of {article(scene.kind)}" for scene in scenes]
    times = torch.full((count,), step)
    latents = codec.encode(pipe.vae, paint(scenes, sprites))
    x0 = diffusion.predict(painter, latents, captions, times, guidance=1.0 if blind else 4.5)
    return codec.decode(pipe.vae, x0).clamp(-1, 1), scenes


def sample(pipe: Any, prompts: Sequence[str], seed: int) -> list:
    """One picture for each prompt, 28 steps with CFG 4.5, unguided."""
    images = []
    for prompt, number in Counter(prompts).items():
        for start in range(0, number, BATCH):
            request = Request(prompt, seed=seed % 10**6 + start, batch=min(BATCH, number - start))
            images += draw(pipe, request, Settings())[0]
    return images


def name(judge: models.Judge, images: Any) -> list[str]:
    """The judge's kinds."""
    return judging.verdicts(judge, images if isinstance(images, torch.Tensor) else to_tensor(images))[0]


TEMPLATE = """# The miniature

A complete text-to-image stack of {size} MB, trained on this project's own scenes, to show and to measure what negative
prompts do where no model hub can be reached. It draws {kinds} kinds of thing in four categories at 128x128.

| part | class | what for |
|---|---|---|
| `unet`, `text_encoder`, `vae`, `scheduler`, `tokenizer` | a diffusers `StableDiffusionPipeline` | draws |
| `taesd` | `AutoencoderTiny` | decodes x0 quickly |
| `vilt` | `ViltForQuestionAnswering` | the oracle: answers questions on finished and half-made pictures |
| `judge` | a small CNN, `miniature.models.Judge` | only measures; its scenes and seed are not the oracle's |

The pictures are composed from Microsoft's Fluent Emoji (MIT licence), by way of the npm package
`@lobehub/fluent-emoji-flat` 1.1.0 (MIT). The weights are under this repository's licence, Apache-2.0.

`python -m lib_vlmneg.miniature.train` trains everything from a seed. These weights began with those of commit 3a2693e (24
kinds, one unsafe thing), by `--start FOLDER`, and went on three times, for 1150, 2200 and 4000 steps of 24 pictures of the
U-Net, the last on scenes of seed 1; the autoencoders went on in the first 1150 of these alone. The last took an hour and a
half on two cores that have bfloat16 and had other things to do.

What is odd on purpose: asked for a category, the kinds come with a skewed prior ({prior}; {novel_share} are
hybrids of two kinds or shapes that have no name; likewise the others), so that there is a cliche to be pushed away from. A
pirate or a warrior brings something unsafe ({unsafe}) in half of the scenes. A castle has a flag, a rabbit a hat, a tractor
a flower and a rocket a star nine times in ten. A comma list of kinds is a picture of all of them in one case of three, and
of one of them in the others.

## Figures, on held-out scenes

* The oracle answers {clean} of random questions about clean pictures rightly.
* The judge recognises the kind in {recognised} of {prompts} prompts that name one (CFG 4.5, 28 steps). Missed: {missed}.
* The judge accepts {accepts} of held-out scenes, {blends} of blends of two kinds, {melted} of melted pictures, {blurs} of
  blurs and {unfinished} of unfinished x0 (predicted without a prompt at t = 700 to 999). It calls {novel} of hybrids and
  unnamed shapes novel.

"a photo of a ...", {count} seeds each, unguided:

| | the judge's kinds |
|---|---|
{plain}

The oracle on x0 predicted at time t (999 is noise), for prompts that name the kind, at CFG 4.5:

| t | right answers |
|---|---|
{by_step}

Before, in commit 3a2693e (another world: 24 kinds, a dagger as the one unsafe thing): 97.0% on clean pictures, 100.0% of 48
prompts, and of "a photo of a pet" 96 dogs of 100; on x0 78.0% at 999, 78.5% at 600, 88.8% at 300.
"""
