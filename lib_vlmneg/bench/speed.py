"""What the guide costs: the same picture plain and guided in turn, in one run, so that the ratio holds on any machine."""

from __future__ import annotations

from statistics import median
from typing import Any

from ..record import Record
from ..settings import Settings
from .creativity import SETTINGS

PARTS = ("decode", "ask", "encode")


def measure(
    prompt: str, pairs: int, steps: int = 28, guidance_scale: float = 4.5, settings: Settings = SETTINGS
) -> dict[str, Any]:
    """Median seconds a picture over `pairs` pairs after one that is not counted, and where they go."""
    from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline

    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    oracle = load_oracle(settings.oracle)
    plain, guided = [], []
    for seed in range(pairs + 1):
        request = Request(prompt, seed=seed, steps=steps, guidance_scale=guidance_scale)
        plain.append(draw(pipe, request, settings)[1])
        guided.append(draw(pipe, request, settings, oracle, tiny)[1])
    before, after = _seconds(plain[1:]), _seconds(guided[1:])
    parts = {part: median(sum(getattr(timing, part) for timing in record.timings) for record in guided[1:]) for part in PARTS}
    asks = median(len(record.events) for record in guided[1:])
    return {"pairs": pairs, "steps": steps, "asks": asks, "plain": before, "guided": after, "ratio": after / before, **parts}


def _seconds(records: list[Record]) -> float:
    return median(record.generation["seconds"] for record in records)


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    asks = figures["asks"]
    lines = [
        f"{figures['pairs']} pairs of {figures['steps']} steps, {asks:.0f} asks in each guided one; medians",
        f"plain {figures['plain']:.2f} s, guided {figures['guided']:.2f} s, ratio {figures['ratio']:.2f}",
        *(f"{part}: {figures[part]:.3f} s, {1000 * figures[part] / asks:.1f} ms an ask" for part in PARTS),
    ]
    return "\n".join(lines)
