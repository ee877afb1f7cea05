"""python -m lib_vlmneg.miniature.train: every weight of the miniature from one seed, resumable at any point."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import WEIGHTS, captions, card, codec, diffusion, drawn, judging, publish, sprites, tokenizers, vqa
from .halfmade import BLIND, CAPTIONED, STEERED, half_made
from .loop import Stage, device

STAGES = {
    "vae": Stage("vae", steps=5200, batch=4, learning_rate=1e-3, ema=0.998),
    "taesd": Stage("taesd", steps=1000, batch=8, learning_rate=1e-3, ema=0.995),
    "unet": Stage("unet", steps=7500, batch=40, learning_rate=8e-4, ema=0.9985, warm_up=200),
    "vilt": Stage("vilt", steps=2400, batch=64, learning_rate=8e-4, ema=0.998, warm_up=200),
    "vilt-drawn": Stage("vilt-drawn", steps=2400, batch=64, learning_rate=6e-4, ema=0.997),
    "judge": Stage("judge", steps=1200, batch=64, learning_rate=1e-3, ema=0.99),
}
DRAWN = 5120  # looks at pictures that the sampler draws
HALF_MADE = 6400  # pictures on the way, for the oracle; the judge has a quarter of that number of its own
JUDGE_SEED = 1000  # added to the seed: the judge shares no scene with the oracle


def main(arguments: list[str] | None = None) -> None:
    """Trains what is not trained yet, measures it on held-out scenes, and writes the weights."""
    parser = argparse.ArgumentParser(prog="python -m lib_vlmneg.miniature.train", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/miniature"), help="checkpoints and the cache")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the finished weights go")
    parser.add_argument("--quick", action="store_true", help="two steps of everything, unmeasured: does it run?")
    options = parser.parse_args(arguments)
    train_all(options.folder, options.out, options.seed, options.quick)


def train_all(folder: Path, out: Path, seed: int, quick: bool = False) -> None:
    """All stages in order; each is skipped when its checkpoint is complete."""
    stages = {name: _shortened(stage) if quick else stage for name, stage in STAGES.items()}
    pictures = sprites.load(folder)
    vocabulary = captions.vocabulary()
    torch.manual_seed(seed)
    vae = codec.train_autoencoder(stages["vae"], pictures, folder, seed)
    torch.manual_seed(seed)
    paint = diffusion.painter(tokenizers.clip(vocabulary, folder / "tokenizer"), vae)
    diffusion.train_painter(stages["unet"], paint, pictures, folder, seed, 128 if quick else diffusion.POOL)
    taesd = codec.train_tiny(stages["taesd"], vae, pictures, folder, seed)

    size = 512 if quick else HALF_MADE
    seen = half_made(paint, pictures, folder, seed, "half-made", size, (BLIND, CAPTIONED, STEERED, STEERED))
    words = tokenizers.bert(vocabulary, folder / "words")
    torch.manual_seed(seed)
    vilt = vqa.train_oracle(stages["vilt"], words, [seen], pictures, folder, seed)
    on_the_way = drawn.drawn(paint, vilt, words, folder, seed, "drawn", size if quick else DRAWN)
    vilt = vqa.train_oracle(stages["vilt-drawn"], words, [seen, on_the_way], pictures, folder, seed, vilt)

    judged = half_made(paint, pictures, folder, seed + JUDGE_SEED, "half-made-judge", max(128, size // 4), (BLIND, CAPTIONED))
    torch.manual_seed(seed + JUDGE_SEED)
    judge = judging.train_judge(stages["judge"], judged, pictures, folder, seed + JUDGE_SEED)

    publish.write(out, paint=paint, taesd=taesd, vilt=vilt, judge=judge)
    if not quick:
        card.write(out, pictures, seed, count=100)


def _shortened(stage: Stage) -> Stage:
    return Stage(stage.name, steps=2, batch=8, learning_rate=stage.learning_rate, ema=stage.ema)


if __name__ == "__main__":
    print(f"training on {device()}")
    main()
