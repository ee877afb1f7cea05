"""From x0 latents to pictures that an oracle can look at, as cheaply as it allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from .errors import InputError

ORDER = ("linear", "approximate", "tiny", "small", "full")  # cheapest first
SHARE = 3 / 4  # of what the oracle could see of the picture: so large is a small decode; see `small_side`
LEAST = 4  # latent pixels a side that a small decode has at least: below, a VAE sees more border than picture


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
    """The decoder of that name; for auto the cheapest whose pictures are as large as the oracle looks at, but never full.

    `latent_side` is the shorter side of the latents, `input_side` that of the oracle's input; a picture that is smaller than
    the oracle's input is decoded at its full size. The small one shrinks the latents first, as `small_side` says.
    """
    if wanted != "auto" and wanted not in decoders:
        raise InputError(f"decode: {wanted!r} is not to be had with this model; choose auto or {', '.join(sorted(decoders))}")
    found = _cheapest(decoders, latent_side, input_side) if wanted == "auto" else decoders[wanted]
    if found.name != "small":
        return found
    side = small_side(latent_side, input_side, found.scale)
    return replace(found, run=lambda x0: found.run(shrunk(x0, side)))


def _cheapest(decoders: Mapping[str, Decoder], latent_side: int, input_side: int) -> Decoder:
    offered = sorted((each for each in decoders.values() if each.name != "full"), key=lambda each: ORDER.index(each.name))
    needed = min(input_side, latent_side * max(decoder.scale for decoder in offered))
    return next(decoder for decoder in offered if decoder.scale * latent_side >= needed)


def small_side(latent_side: int, input_side: int, scale: int) -> int:
    """The shorter side, in latent pixels, that latents are shrunk to for a small decode.

    Measured on 64 x0 of the miniature in 128 px, all of which its oracle sees: at 3/4 of the side 62 of the answers are as
    after a full decode, at 5/8 58, at 1/2 52; `bench decode` measures it again, for other weights. Pictures that are shrunk
    after the decode keep every answer down to 3/8, so it is the VAE that wants the size. Not measured: the VAEs of real
    models, and pictures larger than the oracle's input, of which 3/4 of that input is taken.
    """
    seen = min(input_side, latent_side * scale)
    return min(latent_side, max(LEAST, math.ceil(SHARE * seen / scale)))


def shrunk(x0: Tensor, side: int) -> Tensor:
    """Latents [B, C, h, w] whose shorter side is `side`, in float32; those that are not larger are left as they are.

    So are latents of another kind (a video's, [B, C, frames, h, w]). Means over areas, which are less sharp, were answered
    worse: 60 of 64 at 3/4. It is done on the CPU, since not every device has it (MPS) and there is little to gain.
    """
    shorter = min(x0.shape[-2:])
    if x0.ndim != 4 or shorter <= side:
        return x0
    size = [round(length * side / shorter) for length in x0.shape[-2:]]
    small = torch.nn.functional.interpolate(x0.float().cpu(), size=size, mode="bicubic", antialias=True)
    return small.to(x0.device)


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
