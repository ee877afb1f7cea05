"""Training of the two autoencoders: Stable Diffusion's kind, then TAESD's kind as its fast imitation."""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from . import models
from .loop import Stage, autocast, device, exact_norms, train
from .pictures import Sprites, paint
from .scenes import Scene, sample
from .start import take_over
from .world import ACCESSORIES, CATEGORIES, HYBRID, KINDS, UNNAMED

SPREAD = 0.5  # deviation of the scaled latents. At 1, so few kinds are told apart at once: the first step settles the picture
BLUR = 0.25  # noise that the decoder learns to overlook, in standard deviations: so much may a U-Net be wrong


def train_autoencoder(stage: Stage, sprites: Sprites, folder: Path, seed: int, start: Path | None = None):
    """An AutoencoderKL, begun with the weights in `start` if that is given.

    Its `config.scaling_factor` is set so that scaled latents have a deviation of SPREAD.
    """
    model = exact_norms(models.autoencoder()).to(device()).to(memory_format=torch.channels_last)
    if start:
        take_over(model, start / "vae")

    def loss(rng: random.Random) -> Tensor:
        images = paint(varied(rng, stage.batch), sprites)
        with autocast():
            mean, log_variance = model.quant_conv(model.encoder(images)).float().chunk(2, dim=1)
            latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            strength = BLUR * torch.rand(len(images), 1, 1, 1, device=device())
            blurred = latents + strength * mean.detach().std() * torch.randn_like(mean)
            decoded = model.decoder(model.post_quant_conv(blurred)).float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return picture_loss(decoded, images) + F.mse_loss(decoded, images) + 1e-5 * divergence

    train(stage, {"vae": model}, loss, folder, seed)
    model.register_to_config(scaling_factor=round(SPREAD / _spread(model, sprites, seed), 5))
    return model


def varied(rng: random.Random, count: int) -> list[Scene]:
    """Scenes in which everything that there is comes as often: an autoencoder needs no prior."""
    things = (*KINDS, *(name for names in UNNAMED.values() for name in names))
    scenes = []
    for _ in range(count):
        some = tuple(rng.sample(things, k=rng.choice((1, 1, 2, 3))))
        if rng.random() < 0.2:
            some = (HYBRID.join(rng.sample(rng.choice(tuple(CATEGORIES.values())), k=2)),)
        scenes.append(sample(rng, some, tuple(rng.sample(ACCESSORIES, k=rng.choice((0, 1, 2))))))
    return scenes


def picture_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean absolute error of the pixels and of their differences to the neighbours, which keeps the edges."""
    down = F.l1_loss(decoded.diff(dim=2), images.diff(dim=2))
    right = F.l1_loss(decoded.diff(dim=3), images.diff(dim=3))
    return F.l1_loss(decoded, images) + 0.3 * (down + right)


def train_tiny(stage: Stage, vae, sprites: Sprites, folder: Path, seed: int, start: Path | None = None):
    """An AutoencoderTiny that reads and writes the scaled latents of `vae`."""
    model = models.tiny_autoencoder().to(device()).to(memory_format=torch.channels_last)
    if start:
        take_over(model, start / "taesd")

    def loss(rng: random.Random) -> Tensor:
        images = paint(varied(rng, stage.batch), sprites)
        latents = encode(vae, images)
        blurred = latents + torch.rand(len(images), 1, 1, 1, device=device()) * BLUR * SPREAD * torch.randn_like(latents)
        with autocast():
            decoded = model.decoder(blurred).float()
            encoded = model.encoder(images).float()
        return picture_loss(decoded, images) + 0.1 * F.l1_loss(encoded, latents) / SPREAD

    train(stage, {"taesd": model}, loss, folder, seed)
    return model


@torch.no_grad()
def encode(vae, images: Tensor) -> Tensor:
    """Scaled latents [B, 4, 16, 16]."""
    with autocast():
        return vae.encode(images).latent_dist.mode().float() * vae.config.scaling_factor


@torch.no_grad()
def decode(vae, latents: Tensor) -> Tensor:
    """Pictures [B, 3, 128, 128] in -1..1 from scaled latents."""
    with autocast():
        return vae.decode(latents / vae.config.scaling_factor).sample.float()


@torch.no_grad()
def _spread(vae, sprites: Sprites, seed: int) -> float:
    images = paint(varied(random.Random(f"{seed}/spread"), 256), sprites)
    return vae.encode(images).latent_dist.mode().float().std().item()
