"""The ways to decode that the host has on this machine; nothing is downloaded for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from modules import devices, paths, sd_samplers_common, shared
from torch import Tensor

from ...decode import Decoder, choose
from ...devices import bfloat16, widened
from . import host, memory

FULL, APPROXIMATE, LINEAR, TINY = 0, 1, 2, 3  # the host's own numbers (sd_samplers_common.py:37)
SIDE = {"full": 8, "small": 8, "tiny": 8, "approximate": 2, "linear": 1}  # pixels a side for each latent pixel
MOVING = ("full", "small")  # those that bring the VAE to the GPU, and so the U-Net out of it, where memory is scarce


def decoder(p: Any, wanted: str, latent_side: int, input_side: int) -> Decoder:
    """The decoder that the settings want; auto never takes the VAE where the host is told to spare memory."""
    offered = decoders(p)
    if wanted == "auto" and memory.is_scarce():
        offered = {name: each for name, each in offered.items() if name not in MOVING}
    return choose(offered, wanted, latent_side, input_side)


def decoders(p: Any) -> dict[str, Decoder]:
    """By name; tiny and approximate only where their files are."""
    model = p.sd_model
    numbers = {"full": FULL, "linear": LINEAR}
    if _file("VAE-taesd", _tiny_name(model)):
        numbers["tiny"] = TINY
    if _file("VAE-approx", _approximate_name(model)):
        numbers["approximate"] = APPROXIMATE
    runs = {name: _run(number) for name, number in numbers.items()} | {"small": _small}
    return {name: Decoder(name, SIDE[name], run) for name, run in runs.items()}


def _run(number: int) -> Any:
    def run(x0: Tensor) -> Tensor:
        with devices.without_autocast():  # without a model it takes the one that now is: a refiner may have come
            return sd_samplers_common.samples_to_images_tensor(x0, number)

    return run


def _small(x0: Tensor) -> Tensor:
    with _light(shared.sd_model):
        return _run(FULL)(x0)


@contextmanager
def _light(model: Any) -> Iterator[None]:
    """The model's VAE computes in bfloat16 where its device allows, and never in float16 where it would overflow.

    Autocast goes round the VAE's own `decode`, within what switches it off (devices.py:234); --lowvram puts a `decode` on the
    module (lowvram.py:64), which is put back. Forge casts latents to a `vae_dtype` (vae.py:172) beside the weights' own.
    """
    holder = model.forge_objects.vae if host.is_forge() else model
    vae = holder.first_stage_model
    own, decode = vars(vae).get("decode"), vae.decode

    @wraps(decode)
    def light(z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with bfloat16(z.device):
            return decode(z, *args, **kwargs)

    vae.decode = light
    try:
        with _upcast(holder) if _overflows(model, vae) else nullcontext():
            yield
    finally:
        del vae.decode
        if own:
            vae.decode = own


@contextmanager
def _upcast(holder: Any) -> Iterator[None]:
    dtype = getattr(holder, "vae_dtype", None)
    with widened(holder.first_stage_model):
        if dtype == torch.float16:
            holder.vae_dtype = torch.float32
        try:
            yield
        finally:
            if dtype is not None:
                holder.vae_dtype = dtype


def _overflows(model: Any, vae: Any) -> bool:
    """SDXL's does in float16; Forge has diffusers' config, which says so, AUTOMATIC1111 only knows that it is SDXL."""
    return bool(getattr(getattr(vae, "config", None), "force_upcast", getattr(model, "is_sdxl", False)))


def _file(folder: str, name: str | None) -> bool:
    roots = {Path(paths.models_path), Path(paths.script_path) / "models"}
    return name is not None and any((root / folder / name).is_file() for root in roots)


def _tiny_name(model: Any) -> str | None:
    """As sd_vae_taesd.decoder_model() names it; Forge has Flux's own (taef1)."""
    if getattr(model, "is_sd3", False):
        return "taesd3_decoder.pth"
    if _is_new(model):
        return "taef1_decoder.pth"
    return "taesdxl_decoder.pth" if getattr(model, "is_sdxl", False) else "taesd_decoder.pth"


def _approximate_name(model: Any) -> str | None:
    """As sd_vae_approx.model() names it; nothing for what came after SDXL in Forge."""
    if _is_new(model):
        return None
    if getattr(model, "is_sd3", False):
        return "vaeapprox-sd3.pt"
    return "vaeapprox-sdxl.pt" if getattr(model, "is_sdxl", False) else "model.pt"


def _is_new(model: Any) -> bool:
    return host.is_forge() and hasattr(model, "is_webui_legacy_model") and not model.is_webui_legacy_model()


def latent_side(x0: Tensor) -> int:
    """The shorter side of latents [B, C, (frames,) h, w]."""
    return min(x0.shape[-2:])
