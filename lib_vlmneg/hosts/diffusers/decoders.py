"""The ways to decode that a pipeline offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...decode import Decoder, linear

Unpack = Callable[[Tensor], Tensor]


def decoders(pipe: Any, tiny: Any | None, height: int, width: int) -> dict[str, Decoder]:
    """Full, linear and, with an AutoencoderTiny, tiny; all take the latents as the scheduler has them."""
    vae, scale = pipe.vae, pipe.vae_scale_factor
    unpack = _unpack(pipe, height, width)
    shift = getattr(vae.config, "shift_factor", None) or 0.0

    def full(x0: Tensor) -> Tensor:
        latents = unpack(x0) / vae.config.scaling_factor + shift
        with _upcast(vae):
            return vae.decode(latents.to(vae.device, vae.dtype), return_dict=False)[0]

    found = {"full": Decoder("full", scale, full)}
    if tiny is not None:
        found["tiny"] = Decoder("tiny", scale, lambda x0: tiny.decode(unpack(x0).to(tiny.device, tiny.dtype)).sample)
    fitted: list[Decoder] = []

    def approximate_colors(x0: Tensor) -> Tensor:
        fitted[:] = fitted or [_fit_linear(vae, shift)]
        return fitted[0].run(unpack(x0))

    return found | {"linear": Decoder("linear", 1, approximate_colors)}


@contextmanager
def _upcast(vae: Any) -> Iterator[None]:
    """SDXL's autoencoder overflows in float16, and says so in its config."""
    dtype = vae.dtype
    narrow = dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    try:
        yield vae.to(torch.float32) if narrow else None
    finally:
        if narrow:
            vae.to(dtype)


def _unpack(pipe: Any, height: int, width: int) -> Unpack:
    """Flux and its like keep latents as a sequence of 2x2 patches."""
    if not hasattr(pipe, "_unpack_latents"):
        return lambda x0: x0
    return lambda x0: pipe._unpack_latents(x0, height, width, pipe.vae_scale_factor) if x0.ndim == 3 else x0


@torch.no_grad()
def _fit_linear(vae: Any, shift: float) -> Decoder:
    """The colours that latents stand for, by least squares over one encoded picture of random coloured tiles."""
    generator = torch.Generator().manual_seed(0)
    tiles = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    picture = torch.nn.functional.interpolate(tiles, size=256, mode="nearest")
    moments = vae.encode(picture.to(vae.device, vae.dtype), return_dict=True).latent_dist
    latents = ((moments.mode().float() - shift) * vae.config.scaling_factor).cpu()
    seen = torch.nn.functional.interpolate(picture, size=latents.shape[-2:], mode="area")
    inputs = torch.cat([latents, torch.ones_like(latents[:, :1])], 1).flatten(2)[0].T
    solution = torch.linalg.lstsq(inputs, seen.flatten(2)[0].T).solution
    return linear(solution[:-1].tolist(), solution[-1].tolist())
