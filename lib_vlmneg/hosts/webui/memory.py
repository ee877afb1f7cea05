"""Where the oracle lives, so that neither it nor a decode in mid-sampling throws the host's model out of the GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from modules import devices, shared
from PIL import Image

from ...oracles.base import Answer, Oracle
from ...oracles.prompting import Prompting
from . import host


def is_scarce() -> bool:
    """Whether the host was told to spare memory (--medvram, --lowvram): there a full decode moves whole models."""
    try:
        from modules import lowvram
    except ImportError:
        return False
    return bool(shared.sd_model) and hasattr(lowvram, "is_enabled") and bool(lowvram.is_enabled(shared.sd_model))


def device(wanted: str) -> str:
    """The device of the oracle: what the settings page says; auto is the host's own, or the CPU where memory is scarce."""
    if wanted != "auto":
        return wanted
    return "cpu" if is_scarce() else str(devices.device)


class Placed(Oracle):
    """An oracle on a GPU that the Forge family manages: it is brought there by the host before it is asked."""

    def __init__(self, oracle: Any):
        self.name, self.input_side = oracle.name, oracle.input_side
        self.scored, self.chats, self.deterministic = oracle.scored, oracle.chats, oracle.deterministic
        self._oracle, self.device = oracle, oracle.device
        management, patcher_class = _management()
        holder = torch.nn.Module()  # a transformers model's own `device` is read-only, and some hosts set it
        holder.model = oracle.model
        self.patcher = patcher_class(holder, load_device=oracle.device, offload_device=torch.device("cpu"))
        self._management = management

    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """As the oracle itself."""
        return self._oracle.ask(images, questions, topk, prompting)

    def prepare(self) -> None:
        """Brings it to its device, and makes room there as the host sees fit."""
        if self.device == self._oracle.device:
            self._management.load_models_gpu([self.patcher])

    def move(self, device: str) -> bool:
        """For good, out of the host's hands."""
        self.patcher.detach()
        return self._oracle.move(device)


def placed(oracle: Any) -> Oracle:
    """The oracle as this host wants to have it."""
    on = getattr(oracle, "device", None)  # none where it is elsewhere: a server, a worker
    if not host.is_forge() or on is None or on.type == "cpu" or getattr(oracle, "quantised", ""):
        return oracle  # quantised weights cannot be moved
    return Placed(oracle)


def keep_during_sampling(p: Any, oracle: Any) -> None:
    """Tells Forge to have the oracle and its U-Net loaded together; on a clone, which the host drops after the pass."""
    oracle = getattr(oracle, "oracle", oracle)  # within its cache
    unet = p.sd_model.forge_objects.unet if isinstance(oracle, Placed) else None
    if unet is not None and hasattr(unet, "add_extra_model_patcher_during_sampling"):
        unet = unet.clone()
        unet.add_extra_model_patcher_during_sampling(oracle.patcher)
        p.sd_model.forge_objects.unet = unet


@contextmanager
def borrowed(p: Any, x: torch.Tensor) -> Iterator[None]:
    """Around whatever decodes, asks or encodes in mid-sampling: afterwards the U-Net is where the sampler left it."""
    try:
        yield
    finally:
        prepare = _sampling_prepare()
        if prepare is not None:
            prepare(p.sd_model.forge_objects.unet, x)


def collect() -> None:
    """Gives back to the GPU what was let go."""
    devices.torch_gc()


def _management() -> tuple[Any, Any]:
    """The memory management and the ModelPatcher of Forge and Neo, or of reForge and Classic."""
    try:
        from backend import memory_management
        from backend.patcher.base import ModelPatcher
    except ImportError:
        from ldm_patched.modules import model_management as memory_management
        from ldm_patched.modules.model_patcher import ModelPatcher
    return memory_management, ModelPatcher


def _sampling_prepare() -> Any:
    """What puts a U-Net back before sampling goes on (Forge's apply_refiner does the same); None on AUTOMATIC1111."""
    if not host.is_forge():
        return None
    try:
        from backend.sampling.sampling_function import sampling_prepare
    except ImportError:
        from modules_forge.forge_sampler import sampling_prepare
    return sampling_prepare
