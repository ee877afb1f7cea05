"""One training loop for every model of the miniature: resumable at any point, since each batch follows from seed and step."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .. import devices
from ..devices import best_device, best_dtype

SAVE_EVERY = 120.0  # seconds between two checkpoints


@dataclass(frozen=True)
class Stage:
    """How long and how fast one model is trained. `ema` is the decay of the averaged weights, 0 for none."""

    name: str
    steps: int
    batch: int
    learning_rate: float
    ema: float = 0.0
    warm_up: int = 100


def device() -> torch.device:
    """Where the miniature is trained."""
    return best_device()


def autocast() -> AbstractContextManager:
    """Half precision where the processor is faster with it."""
    return devices.autocast(device(), best_dtype("auto", device()))


def exact_norms(model: nn.Module) -> nn.Module:
    """Makes the group norms of `model` compute in float32 under autocast: on a CPU more exact, and faster than in bfloat16."""

    def forward(norm: nn.GroupNorm, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps)

    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            module.forward = partial(forward, module)
    return model


def random_at(seed: int, stage: str, step: int) -> random.Random:
    """The random numbers of one step of one stage, whatever ran before."""
    return random.Random(f"{seed}/{stage}/{step}")


def rate(stage: Stage, step: int) -> float:
    """Linear warm-up, then a cosine to two hundredths of the learning rate."""
    if step < stage.warm_up:
        return stage.learning_rate * (step + 1) / stage.warm_up
    progress = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return stage.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(
    stage: Stage,
    models: Mapping[str, nn.Module],
    loss: Callable[[random.Random], Tensor],
    folder: Path,
    seed: int,
) -> None:
    """Trains `models` in place until `stage.steps`, from the last checkpoint in `folder` if there is one.

    `loss` makes a batch from the random numbers it is given and returns a scalar. At the end the models hold the
    averaged weights, if the stage averages.
    """
    path = folder / f"{stage.name}.pt"
    group = nn.ModuleDict(models)
    optimizer = torch.optim.AdamW(group.parameters(), lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    average = {name: value.detach().clone() for name, value in group.state_dict().items()} if stage.ema else {}
    start = _resume(path, group, optimizer, average)
    if start < stage.steps:
        group.train()
        _steps(stage, group, optimizer, average, loss, path, seed, start)
    if average:
        group.load_state_dict(average)
    group.eval()


def _steps(stage, group, optimizer, average, loss, path, seed, start) -> None:
    saved = time.monotonic()
    smooth = None
    bar = tqdm(range(start, stage.steps), initial=start, total=stage.steps, desc=stage.name, mininterval=2.0)
    for step in bar:
        rng = random_at(seed, stage.name, step)
        torch.manual_seed(rng.getrandbits(63))
        for options in optimizer.param_groups:
            options["lr"] = rate(stage, step)
        value = loss(rng)
        value.backward()
        nn.utils.clip_grad_norm_(group.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _average(stage, group, average, step)
        smooth = value.item() if smooth is None else 0.98 * smooth + 0.02 * value.item()
        bar.set_postfix(loss=f"{smooth:.4f}", refresh=False)
        if time.monotonic() - saved > SAVE_EVERY or step + 1 == stage.steps:
            _save(path, group, optimizer, average, step + 1)
            saved = time.monotonic()


@torch.no_grad()
def _average(stage: Stage, group: nn.Module, average: dict[str, Tensor], step: int) -> None:
    if not average:
        return
    decay = min(stage.ema, (1 + step) / (10 + step))
    for name, value in group.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _save(path: Path, group: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor], step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"step": step, "models": group.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)  # a kill in mid-write leaves the last whole checkpoint


def _resume(path: Path, group: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, map_location=device(), weights_only=True)
    group.load_state_dict(state["models"])
    optimizer.load_state_dict(state["optimizer"])
    average.update(state["average"])
    return state["step"]
