"""python -m lib_vlmneg.miniature.train: every weight of the miniature from one seed, resumable at any point."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from . import WEIGHTS, captions, card, codec, diffusion, drawn, judging, models, publish, sprites, tokenizers, vqa
from .halfmade import BLIND, CAPTIONED, STEERED, half_made
from .loop import Stage, device
from .questions import ANSWERS
from .start import take_over

STAGES = {
    "vae": Stage("vae", steps=5200, batch=4, learning_rate=1e-3, ema=0.998),
    "taesd": Stage("taesd", steps=1000, batch=8, learning_rate=1e-3, ema=0.995),
    "unet": Stage("unet", steps=9000, batch=40, learning_rate=8e-4, ema=0.9985, warm_up=200),
    "vilt": Stage("vilt", steps=2400, batch=64, learning_rate=8e-4, ema=0.998, warm_up=200),
    "vilt-drawn": Stage("vilt-drawn", steps=2400, batch=64, learning_rate=6e-4, ema=0.997),
    "judge": Stage("judge", steps=1200, batch=64, learning_rate=1e-3, ema=0.99),
}
CONTINUED = STAGES | {  # from weights that know this world already: both autoencoders stay
    "vae": Stage("vae", steps=0, batch=4, learning_rate=6e-4, ema=0.99),
    "taesd": Stage("taesd", steps=0, batch=8, learning_rate=6e-4, ema=0.98),
    "unet": Stage("unet", steps=4000, batch=24, learning_rate=6e-4, ema=0.998),
    "vilt": Stage("vilt", steps=800, batch=64, learning_rate=8e-4, ema=0.99),
    "vilt-drawn": Stage("vilt-drawn", steps=800, batch=64, learning_rate=7e-4, ema=0.99),
    "judge": Stage("judge", steps=1200, batch=64, learning_rate=1e-3, ema=0.99),
}
HALF_MADE = 4096  # pictures on the way, for the oracle; the judge has a quarter of that number of its own
DRAWN = 14  # chunks of pictures that samplers draw
JUDGE_SEED = 1000  # added to the seed: the judge shares no scene with the oracle


def main(arguments: list[str] | None = None) -> None:
    """Trains what is not trained yet, measures it on held-out scenes, and writes the weights."""
    parser = argparse.ArgumentParser(prog="python -m lib_vlmneg.miniature.train", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/miniature"), help="checkpoints and the cache")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the finished weights go")
    parser.add_argument("--start", type=Path, help="weights to begin with, in fewer steps (default: none, from random ones)")
    parser.add_argument("--quick", action="store_true", help="two steps of everything, unmeasured: does it run?")
    options = parser.parse_args(arguments)
    train_all(options.folder, options.out, options.seed, options.quick, options.start)


def train_all(folder: Path, out: Path, seed: int, quick: bool = False, start: Path | None = None) -> None:
    """All stages in order; each is skipped when its checkpoint is complete."""
    stages = CONTINUED if start else STAGES
    stages = {name: replace(stage, steps=2, batch=8) if quick else stage for name, stage in stages.items()}
    pictures = sprites.load(folder)
    vocabulary = captions.vocabulary()
    torch.manual_seed(seed)
    vae = codec.train_autoencoder(stages["vae"], pictures, folder, seed, start)
    torch.manual_seed(seed)
    paint = diffusion.painter(tokenizers.clip(vocabulary, folder / "tokenizer"), vae, start)
    diffusion.train_painter(stages["unet"], paint, pictures, folder, seed, 128 if quick else diffusion.POOL)
    taesd = codec.train_tiny(stages["taesd"], vae, pictures, folder, seed, start)

    decode = both(vae, taesd)
    size = 512 if quick else HALF_MADE
    seen = half_made(paint, decode, pictures, folder, seed, "half-made", size, (BLIND, CAPTIONED, STEERED, STEERED))
    words = tokenizers.bert(vocabulary, folder / "words")
    torch.manual_seed(seed)
    vilt = models.oracle(words).to(device())
    if start:
        take_over(vilt, start / "vilt", words=words.convert_ids_to_tokens(range(len(words))), answers=ANSWERS)
    vqa.train_oracle(stages["vilt"], vilt, words, [seen], pictures, folder, seed)
    on_the_way = drawn.drawn(paint, decode, vilt, words, folder, seed, "drawn", 1 if quick else DRAWN)
    known = [some for some in (seen, on_the_way) if some.scenes]  # an oracle that is sure of nothing leaves nothing
    vqa.train_oracle(stages["vilt-drawn"], vilt, words, known, pictures, folder, seed)

    manners = (BLIND, CAPTIONED)
    judged = half_made(paint, decode, pictures, folder, seed + JUDGE_SEED, "half-made-judge", max(128, size // 4), manners)
    torch.manual_seed(seed + JUDGE_SEED)
    judge = judging.train_judge(stages["judge"], judged, pictures, folder, seed + JUDGE_SEED)

    publish.write(out, paint=paint, taesd=taesd, vilt=vilt, judge=judge)
    if not quick:
        card.write(out, pictures, seed, count=100)


def both(vae: torch.nn.Module, taesd: torch.nn.Module) -> Callable[[Tensor], Tensor]:
    """Decodes every fourth picture by the autoencoder and the others by its fast imitation: whoever sees, sees both."""

    def decode(latents: Tensor) -> Tensor:
        with torch.no_grad():
            pictures = taesd.decode(latents).sample.float()
        pictures[::4] = codec.decode(vae, latents[::4])
        return pictures

    return decode


if __name__ == "__main__":
    print(f"training on {device()}")
    main()
