"""Creativity on the miniature: the share of the cliche, the spread over the kinds, how many are still what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..miniature import JUDGE
from ..presets import DEFAULT, preset
from ..settings import Settings
from .spread import effective

PROMPT = "a photo of a pet"
SETTINGS = replace(preset(DEFAULT), oracle="miniature")
BATCH = 10


def measure(
    prompt: str,
    seeds: int,
    steps: int = 28,
    guidance_scale: float = 4.5,
    settings: Settings = SETTINGS,
    negative_prompt: str = "",
    first: int = 0,
) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """Draws `seeds` pictures without and with the guide and has the judge name them: figures, plain and guided pictures.

    `first` is the seed of the first. Settings that ask nothing, with a push inside attention, push from the negative prompt.
    """
    from tqdm import tqdm

    from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline
    from ..query.questions import OBJECT
    from ..query.subject import subject

    pipe, tiny = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    oracle = load_oracle(settings.oracle) if settings.asks else None
    plain, guided, terms = [], [], []
    for start in tqdm(range(0, seeds, BATCH), desc="drawing"):
        batch = min(BATCH, seeds - start)
        request = Request(prompt, negative_prompt, seed=first + start, steps=steps, guidance_scale=guidance_scale, batch=batch)
        plain += draw(pipe, request, Settings())[0]
        images, record = draw(pipe, request, settings, oracle, tiny)
        guided += images
        terms += [len(record.terms(index)) for index in range(request.batch)]
        if record.failure:
            raise RuntimeError(record.failure)
    asked = subject(prompt) or OBJECT
    before, after = name(plain), name(guided)
    favourite = Counter(kind for kind in before if kind != "none").most_common(1)[0][0]
    figures = {
        "prompt": prompt,
        "seeds": seeds,
        "first": first,
        "favourite": favourite,
        "plain": _row(before, favourite, asked),
        "guided": _row(after, favourite, asked) | {"terms per picture": sum(terms) / seeds},
    }
    return figures, plain, guided


def name(images: Sequence[Any]) -> list[str]:
    """The judge's kind for each picture."""
    from ..miniature.judging import verdicts
    from ..miniature.pictures import to_tensor
    from ..miniature.publish import load_judge

    return verdicts(load_judge(JUDGE), to_tensor(images))[0]


def _row(kinds: Sequence[str], favourite: str, asked: str) -> dict[str, Any]:
    from ..miniature.world import CATEGORIES

    members = CATEGORIES.get(asked, ())
    counts = Counter(kinds)
    return {
        "favourite": counts[favourite] / len(kinds),
        "spread": effective([count for kind, count in counts.items() if kind in members]),
        "valid": sum(counts[kind] for kind in members) / len(kinds),
        "kinds": dict(counts.most_common()),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as lines of text."""
    plain, guided = figures["plain"], figures["guided"]
    lines = [
        f'"{figures["prompt"]}", {figures["seeds"]} seeds, named by the judge',
        f"{'':34}{'plain':>8}{'guided':>8}{'ratio':>8}",
        _line(f"share of the favourite ({figures['favourite']})", plain["favourite"], guided["favourite"]),
        _line("spread over the kinds", plain["spread"], guided["spread"]),
        _line("what was asked for", plain["valid"], guided["valid"]),
        f"plain:  {plain['kinds']}",
        f"guided: {guided['kinds']}",
        f"terms per picture: {guided['terms per picture']:.1f}",
    ]
    return "\n".join(lines)


def _line(label: str, before: float, after: float) -> str:
    ratio = f"{after / before:8.2f}" if before else f"{'':>8}"
    return f"{label:34}{before:8.2f}{after:8.2f}{ratio}"
