"""What a small decode of x0 saves beside a full one, in turn in one run, and how often the oracle still says the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..decode import Decoder, choose, shrunk
from ..devices import autocast
from ..oracles.base import Oracle

PROMPTS = ("a photo of a pet", "a photo of a vehicle", "a photo of a fruit", "a photo of a building")
QUESTION = "What is the main object in this image?"
MOMENTS = (0, 1 / 4, 1 / 2, 3 / 4)  # of the run: where x0 is looked at
SIDES = {"miniature": (112, 96, 80, 64, 48, 32), "sd15": (384, 256, 128)}  # pixels of the small decodes
FULL = {"miniature": 128, "sd15": 512}  # pixels of the picture
ALIKE = 0.95  # the least share of pictures about which the oracle says the same
TOGETHER = 8  # pictures decoded at once
GUIDANCE = 4.5


def measure(seeds: int, rounds: int, steps: int = 28, first: int = 0) -> dict[str, Any]:
    """The miniature: for each size the share of x0 that its oracle answers as it does after a full decode, and the time.

    Looks at `seeds` plain pictures a prompt from the seed `first` on, at each of MOMENTS; times are medians over `rounds`.
    """
    from ..hosts.diffusers import load_oracle, load_pipeline
    from ..hosts.diffusers.decoders import decoders

    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    oracle = load_oracle("miniature")
    x0 = _half_made(pipe, seeds, steps, first)
    offered, scale = decoders(pipe, tiny), pipe.vae_scale_factor
    auto = choose(decoders(pipe, None), "auto", x0.shape[-1], oracle.input_side)
    ways = {"full": offered["full"].run} | {str(side): _small(offered["small"], side // scale) for side in SIDES["miniature"]}
    ways |= {name: offered[name].run for name in ("tiny", "linear")}
    said = {name: _answers(oracle, Decoder(name, scale, run), x0) for name, run in ways.items()}
    alike = {name: [one == other for one, other in zip(answers, said["full"])] for name, answers in said.items()}
    ratios = _ratios(ways, x0[:1], rounds)
    rows = {
        name: {"alike": sum(same), "share": sum(same) / len(same), "by moment": _by_moment(same, seeds), "ratio": ratios[name]}
        for name, same in alike.items()
    }
    enough = [side for side in SIDES["miniature"] if rows[str(side)]["share"] >= ALIKE]
    figures = {"model": "miniature", "pictures": len(x0), "steps": steps, "seeds": [first, first + seeds - 1], "rows": rows}
    return figures | {"smallest": min(enough, default=FULL["miniature"]), "auto": auto.run(x0[:1]).shape[-1]}


def measure_size(rounds: int, device: torch.device) -> dict[str, Any]:
    """A VAE of SD1.5's size with random weights: the time alone, of 512 pixels and less in float32 and in bfloat16."""
    from ..hosts.diffusers.sizes import sd15_vae

    vae = sd15_vae(device)
    x0 = torch.randn(1, 4, FULL["sd15"] // 8, FULL["sd15"] // 8, device=device)

    def way(side: int, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        def run(latents: Tensor) -> Tensor:
            with autocast(device, dtype):
                return vae.decode(shrunk(latents, side // 8)).sample

        return run

    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    sides = (FULL["sd15"], *SIDES["sd15"])
    ways = {f"{side} {name}": way(side, dtype) for side in sides for name, dtype in dtypes.items()}
    rows = {name: {"ratio": ratio} for name, ratio in _ratios(ways, x0, rounds).items()}
    return {"model": "sd15", "device": str(device), "rounds": rounds, "rows": rows}


def _half_made(pipe: Any, seeds: int, steps: int, first: int) -> Tensor:
    """x0 [prompts x moments x seeds, C, h, w], in that order."""
    found: list[Tensor] = []
    for prompt in PROMPTS:
        generators = [torch.Generator().manual_seed(first + seed) for seed in range(seeds)]
        with _watched(pipe.scheduler, {round(moment * steps) for moment in MOMENTS}, found):
            pipe(
                [prompt] * seeds,
                num_inference_steps=steps,
                guidance_scale=GUIDANCE,
                generator=generators,
                output_type="latent",
            )
    return torch.cat(found)


@contextmanager
def _watched(scheduler: Any, due: set[int], found: list[Tensor]) -> Iterator[None]:
    from ..hosts.diffusers.x0 import predicted_x0

    own, calls = scheduler.step, iter(range(scheduler.config.num_train_timesteps))

    def step(output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        if next(calls) in due:
            found.append(predicted_x0(scheduler, output, timestep, sample)[0])
        return own(output, timestep, sample, *args, **kwargs)

    scheduler.step = step
    try:
        yield
    finally:
        del scheduler.step


def _small(decoder: Decoder, side: int) -> Callable[[Tensor], Tensor]:
    return lambda x0: decoder.run(shrunk(x0, side))


@torch.no_grad()
def _answers(oracle: Oracle, decoder: Decoder, x0: Tensor) -> list[str]:
    """The first answer about each."""
    return [said[0][0].text for rows in x0.split(TOGETHER) for said in oracle.ask(decoder(rows), [QUESTION], 1)]


def _by_moment(same: list[bool], seeds: int) -> list[float]:
    moments = torch.tensor(same, dtype=torch.float32).reshape(len(PROMPTS), len(MOMENTS), seeds)
    return [round(share, 4) for share in moments.mean((0, 2)).tolist()]


@torch.no_grad()
def _ratios(ways: Mapping[str, Callable[[Tensor], Tensor]], x0: Tensor, rounds: int) -> dict[str, float]:
    """Time over that of the first way, medians over `rounds` rounds after one that is not counted."""
    taken = [{name: _seconds(run, x0) for name, run in ways.items()} for _ in range(rounds + 1)][1:]
    first = next(iter(ways))
    return {name: median(each[name] / each[first] for each in taken) for name in ways}


def _seconds(run: Callable[[Tensor], Tensor], x0: Tensor) -> float:
    """On a CPU those of the process alone."""
    clock = time.process_time if x0.device.type == "cpu" else time.perf_counter
    began = clock()
    run(x0).cpu()  # waits for the device
    return clock() - began


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    rows = figures["rows"].items()
    if figures["model"] == "sd15":
        head = f"a VAE of SD1.5's size, random weights, on {figures['device']}; medians of {figures['rounds']} rounds"
        return "\n".join([head, *(f"{name:>12}: {row['ratio']:.3f} of the time" for name, row in rows)])
    head = f"{figures['pictures']} x0 of the miniature: answered as after a full decode (at {len(MOMENTS)} moments), time"
    lines = [
        f"{name:>6}: {row['alike']:3} = {row['share']:.3f} ({' '.join(f'{share:.2f}' for share in row['by moment'])}), "
        f"{row['ratio']:.3f} of the time"
        for name, row in rows
    ]
    last = f"smallest with {ALIKE:.2f} alike: {figures['smallest']} px; auto takes {figures['auto']} px without a tiny decoder"
    return "\n".join([head, *lines, last])
