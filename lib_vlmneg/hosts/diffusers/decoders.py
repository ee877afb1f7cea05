"""The ways to decode that a pipeline offers."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...decode import Decoder, choose, linear
from ...devices import bfloat16, widened
from .arguments import scale_of
from .families import family_of


def decoder(pipe: Any, tiny: Any | None, wanted: str, height: int, width: int, input_side: int) -> Decoder:
    """The one that the settings want, for x0 as the scheduler has it; sizes are in pixels, `input_side` is the oracle's."""
    latent_side = min(height, width) // _scale_of(pipe)
    chosen = choose(decoders(pipe, tiny), wanted, latent_side, input_side)
    return replace(chosen, run=lambda x0: chosen.run(_unpacked(pipe, x0, height, width)))


def decoders(pipe: Any, tiny: Any | None) -> dict[str, Decoder]:
    """Full, small, linear and, with an AutoencoderTiny, tiny; all take latents [B, C, h, w] in the scheduler's scale."""
    vae, scale = pipe.vae, _scale_of(pipe)
    found = {
        "full": Decoder("full", scale, lambda x0: _decoded(vae, x0)),
        "small": Decoder("small", scale, lambda x0: _small(vae, x0)),
    }
    tiny = vae if tiny is None and _is_tiny(vae) else tiny
    if tiny is not None:
        found["tiny"] = Decoder("tiny", scale, lambda x0: tiny.decode(x0.to(tiny.device, tiny.dtype)).sample)
    fitted: list[Decoder] = []

    def approximate_colors(x0: Tensor) -> Tensor:
        fitted[:] = fitted or [_fit_linear(vae)]
        return fitted[0].run(x0)

    return found | {"linear": Decoder("linear", 1, approximate_colors)}


def _scale_of(pipe: Any) -> int:
    """Pixels to a side of the latents that the autoencoder has."""
    family = family_of(pipe)
    return scale_of(pipe) // (family.patched if family else 1)


def _small(vae: Any, x0: Tensor) -> Tensor:
    with bfloat16(vae.device):
        return _decoded(vae, x0)


def _decoded(vae: Any, x0: Tensor) -> Tensor:
    """By the VAE. SDXL's overflows in float16, and says so in its config."""
    factor, offset = _scale(vae, x0)
    with widened(vae) if getattr(vae.config, "force_upcast", False) else nullcontext():
        latents = (x0 * factor + offset).to(vae.device, vae.dtype)
        if not _has_frames(vae):
            return _opaque(vae.decode(latents, return_dict=False)[0])
        timed = getattr(vae.config, "timestep_conditioning", False)  # LTX: how much noise there still is
        more = {"temb": latents.new_zeros(len(latents))} if timed else {}
        return _opaque(_middle(vae.decode(latents.unsqueeze(2), **more, return_dict=False)[0]))


def _scale(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """What the scheduler's latents are times and plus to be the VAE's own, in the shape [C, 1, 1], or [1, 1, 1] for all.

    Playground 2.5 has a mean and a deviation for each channel, and a scaling factor (pipeline_stable_diffusion_xl.py:1285).
    """
    config = vae.config
    names = ("latents_mean", "latents_std")
    learned = dict(vae.named_buffers(recurse=False))  # LTX's
    mean, deviation = (getattr(config, name, None) if hasattr(config, name) else learned.get(name) for name in names)
    if mean is None or deviation is None:
        mean, deviation = getattr(config, "shift_factor", None) or 0.0, 1.0
    scaling, shape = getattr(config, "scaling_factor", None) or 1.0, (-1, *[1] * (like.ndim - 2))
    factor, offset = (torch.as_tensor(each, device=like.device).reshape(shape) for each in (deviation, mean))
    return factor / scaling, offset


def _has_frames(vae: Any) -> bool:
    """Whether it is a video's (Wan's, Qwen-Image's), with a dimension for the frames."""
    return hasattr(vae.config, "temperal_downsample") or any(weight.ndim == 5 for weight in vae.decoder.parameters())


def _opaque(pictures: Tensor) -> Tensor:
    """On white, where they have an alpha (Qwen-Image 2.1)."""
    colors, alpha = pictures[:, :3], (pictures[:, 3:4].clamp(-1, 1) + 1) / 2
    return colors * alpha + (1 - alpha) if alpha.shape[1] else colors


def _middle(frames: Tensor) -> Tensor:
    """The middle one of [B, C, frames, h, w]."""
    return frames[:, :, frames.shape[2] // 2]


def _is_tiny(vae: Any) -> bool:
    from diffusers import AutoencoderTiny

    return isinstance(vae, AutoencoderTiny)


def _unpacked(pipe: Any, x0: Tensor, height: int, width: int) -> Tensor:
    """As [B, C, h, w]: Flux and its like keep latents as a sequence of 2x2 patches, videos have frames."""
    family = family_of(pipe)
    if family and family.unpacked:
        x0 = family.unpacked(pipe, x0, height, width)
    elif x0.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        accepted = inspect.signature(pipe._unpack_latents).parameters
        given = {"height": height, "width": width, "vae_scale_factor": scale_of(pipe), "patch_size": 2}
        x0 = pipe._unpack_latents(x0, **{name: value for name, value in given.items() if name in accepted})
    return _middle(x0) if x0.ndim == 5 else x0


@torch.no_grad()
def _fit_linear(vae: Any) -> Decoder:
    """The colours that latents stand for, by least squares over one encoded picture of random coloured tiles."""
    generator = torch.Generator().manual_seed(0)
    tiles = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    picture = torch.nn.functional.interpolate(tiles, size=256, mode="nearest")
    has_alpha = getattr(vae.config, "in_channels", 3) == 4
    picture_in = torch.cat([picture, torch.ones_like(picture[:, :1])], 1) if has_alpha else picture
    picture_in = picture_in.unsqueeze(2) if _has_frames(vae) else picture_in
    encoded = vae.encode(picture_in.to(vae.device, vae.dtype))
    own = next((getattr(encoded, name) for name in ("latents", "latent") if hasattr(encoded, name)), None)
    own = encoded.latent_dist.mode() if own is None else own
    own = (own[:, :, 0] if own.ndim == 5 else own).float().cpu()
    factor, offset = _scale(vae, own)
    latents = (own - offset) / factor
    seen = torch.nn.functional.interpolate(picture, size=latents.shape[-2:], mode="area")
    inputs = torch.cat([latents, torch.ones_like(latents[:, :1])], 1).flatten(2)[0].T
    solution = torch.linalg.lstsq(inputs, seen.flatten(2)[0].T).solution
    return linear(solution[:-1].tolist(), solution[-1].tolist())
