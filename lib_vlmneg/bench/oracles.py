"""What a question costs: a batch of pictures and questions our way and one by one in turn, in one run on one device."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from ..oracles.base import Oracle
from .creativity import PROMPT, SETTINGS

IMAGES, SIDE = 8, 384  # pictures, and their pixels: what ViLT sees
QUESTIONS = ("What is the main object in this image?", "What animal is this?", "What colour is the background?")


def measure(name: str, rounds: int, steps: int = 28, device: str = "auto") -> dict[str, Any]:
    """Median seconds of both ways over `rounds` rounds after one that is not counted, answers alike, memory, and overlap."""
    from ..hosts.diffusers.load import folder_of, load_oracle
    from .onebyone import one_by_one

    folder = folder_of(name)
    memory = {way: _memory(way, folder, device) for way in WAYS}
    pictures = _pictures(steps)
    oracle = load_oracle(name, device)
    single = one_by_one(folder, oracle.device)
    ours, theirs = partial(_ours, oracle, pictures), partial(_theirs, single, pictures)
    said, plain = ours(), theirs()  # not counted
    seconds = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    alone = median(_seconds(partial(_ours, oracle, pictures[:1], QUESTIONS[:1])) for _ in range(rounds))
    batched, each = (median(column) for column in zip(*seconds))
    count = len(pictures) * len(QUESTIONS)
    return {
        "oracle": name,
        "device": str(oracle.device),
        "dtype": str(oracle.dtype).removeprefix("torch."),
        "questions": count,
        "ours": batched / count,
        "one by one": each / count,
        "ratio": each / batched,
        "ours, one alone": alone,
        "alike": sum(one == other for one, other in zip(said, plain)),
        **{f"memory, {way}": grown for way, grown in memory.items()},
        **_overlap(oracle, steps, rounds),
    }


def _pictures(steps: int) -> list[Image.Image]:
    """Pictures half-made and made, as an oracle sees them."""
    from ..hosts.diffusers import Request, draw, load_pipeline
    from ..settings import Settings

    pipe, _ = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    seen: list[Image.Image] = []
    request = Request(PROMPT, steps=steps, batch=IMAGES // 2)
    draw(
        pipe,
        request,
        Settings(),
        save_x0=lambda step, _, pictures: seen.extend(pictures if step in (steps // 3, steps - 1) else ()),
    )
    return [picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for picture in seen]


def _ours(oracle: Oracle, pictures: Sequence[Image.Image], questions: Sequence[str] = QUESTIONS) -> list[str]:
    return [group[0].text for image in oracle.ask(pictures, questions, 1) for group in image]


def _theirs(ask: Callable[[Image.Image, str], str], pictures: Sequence[Image.Image]) -> list[str]:
    return [ask(picture, question) for picture in pictures for question in QUESTIONS]


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _overlap(oracle: Oracle, steps: int, rounds: int) -> dict[str, float]:
    """Median seconds of a picture of the miniature: plain, and asked about while it waits (lag 0) or goes on (lag 1)."""
    from ..hosts.diffusers import Request, draw, load_pipeline
    from ..settings import Settings

    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    ways = {"plain": (Settings(), None), **{f"lag {lag}": (replace(SETTINGS, lag=lag), oracle) for lag in (0, 1)}}
    found: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(rounds + 1):
        for way, (settings, eye) in ways.items():
            record = draw(pipe, Request(PROMPT, seed=seed, steps=steps), settings, eye, tiny)[1]
            if record.failure:
                raise RuntimeError(record.failure)
            found[way].append(record.generation["seconds"])
    return {f"picture, {way}": median(seconds[1:]) for way, seconds in found.items()}


def _batch(folder: str, device: str) -> None:
    from ..oracles.registry import load

    _ours(load(folder, device), [Image.effect_noise((SIDE, SIDE), 80)] * IMAGES)


def _singles(folder: str, device: str) -> None:
    from ..devices import best_device
    from .onebyone import one_by_one

    _theirs(one_by_one(folder, best_device(device)), [Image.effect_noise((SIDE, SIDE), 80).convert("RGB")])


WAYS = {"ours": _batch, "one by one": _singles}


def _memory(way: str, folder: str, device: str) -> float | None:
    """MB by which a process of its own grows at most, from when all is imported: the model, and what asking takes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_grown, way, folder, device).result()


def _grown(way: str, folder: str, device: str) -> float | None:
    import torch  # noqa: F401
    import transformers  # noqa: F401

    before = _peak()
    WAYS[way](folder, device)
    after = _peak()
    return None if before is None or after is None else after - before


def _peak() -> float | None:
    """MB that this process had at most; None where the system does not say (getrusage: its parent's, at times)."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found[1]) / 1024 if found else None


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    memory = ", ".join(f"{way} {grown:.0f} MB" for way in WAYS if (grown := figures[f"memory, {way}"]) is not None)
    plain, late, beside = (figures[f"picture, {way}"] for way in ("plain", "lag 0", "lag 1"))
    lines = [
        f"{figures['oracle']} on {figures['device']}, {figures['dtype']}; "
        f"{figures['questions']} questions about {IMAGES} pictures",
        f"ours {1000 * figures['ours']:.1f} ms a question, one by one in float32 {1000 * figures['one by one']:.1f} ms: "
        f"{figures['ratio']:.2f} times as many; one question alone {1000 * figures['ours, one alone']:.1f} ms",
        f"answers alike: {figures['alike']} of {figures['questions']}",
        f"memory: {memory}" if memory else "memory: not to be had here",
        f"a picture: plain {plain:.2f} s, lag 0 {late:.2f} s, lag 1 {beside:.2f} s",
    ]
    return "\n".join(lines)
