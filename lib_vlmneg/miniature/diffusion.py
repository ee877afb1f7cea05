"""Training of the U-Net with its text encoder: eps-prediction on Stable Diffusion 1's noise schedule; its x0 predictions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from . import models
from .captions import caption
from .codec import encode
from .loop import Stage, autocast, device, exact_norms, random_at, train
from .pictures import Sprites, imagine
from .pictures import paint as draw
from .scenes import Scene
from .start import take_over

POOL = 10240  # scenes, encoded once
EARLY = 20.0  # most weight of a noisy step, where it is settled what the picture will show
CHUNK = 64


@dataclass(frozen=True)
class Painter:
    """What draws: text encoder and U-Net, the autoencoder and the noise schedule they share."""

    tokenizer: object
    text_encoder: torch.nn.Module
    unet: torch.nn.Module
    vae: torch.nn.Module
    alphas: Tensor  # [1000], cumulative products: abar_t

    def context(self, captions: list[str]) -> Tensor:
        """Text embeddings [B, 77, 192]."""
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        return self.text_encoder(tokens.input_ids.to(device())).last_hidden_state


def painter(tokenizer, vae, start: Path | None = None) -> Painter:
    """An untrained one, or one with the weights in `start`."""
    unet = exact_norms(models.unet()).to(device()).to(memory_format=torch.channels_last)
    text_encoder = models.text_encoder(tokenizer).to(device())
    if start:
        take_over(unet, start / "unet")
        words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        take_over(text_encoder, start / "text_encoder", words=words)
    return Painter(tokenizer, text_encoder, unet, vae, noise_schedule())


def noise_schedule() -> Tensor:
    """abar_t [1000] of Stable Diffusion 1."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(**models.SCHEDULE).alphas_cumprod.to(device())


def train_painter(stage: Stage, paint: Painter, sprites: Sprites, folder: Path, seed: int, pool: int = POOL) -> None:
    """Mean squared error of eps over `pool` scenes, weighted by min(SNR, 5)/SNR (Hang et al. 2023) and early by 1/abar."""
    from diffusers.models.attention_processor import AttnProcessor

    intents, scenes, latents = _encoded_scenes(paint.vae, sprites, folder, seed, pool)
    paint.unet.set_attn_processor(AttnProcessor())  # fused attention is slow to differentiate on a CPU
    paint.text_encoder.set_attn_implementation("eager")

    def loss(rng: random.Random) -> Tensor:
        chosen = [rng.randrange(len(scenes)) for _ in range(stage.batch)]
        captions = [caption(rng, intents[index], scenes[index]) for index in chosen]
        x0 = latents[chosen].to(device()).contiguous(memory_format=torch.channels_last)
        t = _evenly(stage.batch)
        noise = torch.randn_like(x0)
        abar = paint.alphas[t].view(-1, 1, 1, 1)
        x = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
        with autocast():
            eps = paint.unet(x, t, paint.context(captions), return_dict=False)[0].float()
        snr = (abar / (1 - abar)).view(-1)
        weight = snr.clamp(max=5) / snr * (1 / abar.view(-1)).clamp(max=EARLY)
        return ((eps - noise).square().mean(dim=(1, 2, 3)) * weight).mean()

    train(stage, {"unet": paint.unet, "text_encoder": paint.text_encoder}, loss, folder, seed)


def _evenly(count: int) -> Tensor:
    """One time step at random in each of `count` equal parts of 0..999 (int64 [count]): less noise in the gradient."""
    return ((torch.arange(count) + torch.rand(count)) / count * 1000).long().clamp(max=999).to(device())


def _encoded_scenes(vae, sprites: Sprites, folder: Path, seed: int, pool: int) -> tuple[list[str], list[Scene], Tensor]:
    """Intents, scenes and latents [pool, 4, 16, 16]; the latents are kept in `folder`."""
    chunks = [imagine(random_at(seed, "pool", index), CHUNK) for index in range(pool // CHUNK)]
    path = folder / "latents.pt"
    if not path.exists():
        encoded = [encode(vae, draw(scenes, sprites)).cpu() for _, scenes in tqdm(chunks, desc="encoding scenes")]
        torch.save(torch.cat(encoded), path)
    intents = [intent for some, _ in chunks for intent in some]
    return intents, [scene for _, scenes in chunks for scene in scenes], torch.load(path, weights_only=True)


@torch.no_grad()
def predict(
    paint: Painter, latents: Tensor, captions: list[str], t: Tensor, guidance: float, negatives: list[str] = ()
) -> Tensor:
    """x0 predicted from `latents` noised to `t` [B]: x0 = (x_t - sqrt(1 - abar) eps) / sqrt(abar), with CFG."""
    abar = paint.alphas[t].view(-1, 1, 1, 1)
    x = abar.sqrt() * latents + (1 - abar).sqrt() * torch.randn_like(latents)
    with autocast():
        eps = paint.unet(x, t, paint.context(captions), return_dict=False)[0].float()
        if guidance != 1:
            context = paint.context(list(negatives) or [""] * len(captions))
            uncond = paint.unet(x, t, context, return_dict=False)[0].float()
            eps = uncond + guidance * (eps - uncond)
    return (x - (1 - abar).sqrt() * eps) / abar.sqrt()
