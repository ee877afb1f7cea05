"""Scenes as tensors."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .captions import intend
from .loop import device
from .scenes import Scene, draw

Sprites = Mapping[str, Image.Image]


def to_tensor(images: Iterable[Image.Image]) -> Tensor:
    """Pictures as [B, 3, H, W] in -1..1, channels last."""
    array = np.stack([np.asarray(image) for image in images])
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2).to(device(), torch.float32) / 127.5 - 1
    return tensor.contiguous(memory_format=torch.channels_last)


def imagine(rng: random.Random, size: int) -> tuple[list[str], list[Scene]]:
    """Intents and scenes."""
    intents, scenes = zip(*(intend(rng) for _ in range(size)))
    return list(intents), list(scenes)


def paint(scenes: Iterable[Scene], sprites: Sprites) -> Tensor:
    """The scenes as [B, 3, 128, 128] in -1..1."""
    return to_tensor(draw(scene, sprites) for scene in scenes)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in -1..1 as uint8, on the CPU."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().cpu()


def from_bytes(pictures: Tensor) -> Tensor:
    """uint8 pictures as -1..1."""
    return pictures.to(device(), torch.float32) / 127.5 - 1
