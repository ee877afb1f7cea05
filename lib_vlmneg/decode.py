"""From x0 latents to pictures that an oracle can look at, as cheaply as it allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from .errors import InputError

ORDER = ("linear", "approximate", "tiny", "full")  # cheapest first


@dataclass(frozen=True)
class Decoder:
    """One way to decode. `scale` is pixels a side per latent pixel; `run` maps [B, C, h, w] to [B, 3, H, W] in -1..1."""

    name: str
    scale: int
    run: Callable[[Tensor], Tensor]

    def __call__(self, x0: Tensor) -> list[Image.Image]:
        """One RGB picture for each row of `x0`."""
        return to_images(self.run(x0))


def choose(decoders: Mapping[str, Decoder], wanted: str, latent_side: int, input_side: int) -> Decoder:
    """The decoder of that name; for auto the cheapest whose pictures are as large as the oracle looks at.

    `latent_side` is the shorter side of the latents, `input_side` that of the oracle's input; a picture that is smaller than
    the oracle's input is decoded at its full size.
    """
    if wanted != "auto":
        if wanted not in decoders:
            raise InputError(
                f"decode: {wanted!r} is not to be had with this model; choose auto or {', '.join(sorted(decoders))}"
            )
        return decoders[wanted]
    offered = sorted(decoders.values(), key=lambda decoder: ORDER.index(decoder.name))
    needed = min(input_side, latent_side * max(decoder.scale for decoder in offered))
    return next(decoder for decoder in offered if decoder.scale * latent_side >= needed)


def linear(factors: Sequence[Sequence[float]], bias: Sequence[float] = (0.0, 0.0, 0.0)) -> Decoder:
    """A picture of the latents' own size, each pixel a weighted sum of its channels: factors [C, 3], bias [3]."""
    weight = torch.tensor(factors, dtype=torch.float32).T[:, :, None, None]
    shift = torch.tensor(bias, dtype=torch.float32)

    def run(x0: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x0.float(), weight.to(x0.device), shift.to(x0.device))

    return Decoder("linear", 1, run)


def to_images(pictures: Tensor) -> list[Image.Image]:
    """[B, 3, H, W] in -1..1 as pictures."""
    array = ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in array]
