"""Measure what the guide does, with a judge that never guides, and what it costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..bench import creativity, oracles, push, speed
from ..devices import best_device, best_dtype
from ..errors import InputError
from ..miniature.grid import grid
from ..schedule import check_steps
from ..settings import INSIDE
from . import safety
from .flags import add_preset, add_settings, checked_settings, given_settings, in_flags

TABLES = {
    "creativity": "how far from the cliche, and still what was asked for",
    "speed": "seconds plain and guided",
    "oracles": "what a question costs, beside asking one by one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which table, and how much is measured."""
    tables = parser.add_subparsers(dest="table", required=True, metavar="table")
    for name, text in TABLES.items():
        _add_common(parser := tables.add_parser(name, help=text, description=text))
        if name == "creativity":
            _add_guided(parser)
    _add_push(tables.add_parser("push", help="what a push inside attention costs", description=push.__doc__))
    safety.add_arguments(tables.add_parser("safety", help=safety.__doc__, description=safety.__doc__))


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--oracle", default="miniature", help="of the table oracles: an id on the hub or a folder")
    parser.add_argument("--prompt", default=creativity.PROMPT, help=f"default: {creativity.PROMPT}")
    parser.add_argument("--seeds", type=int, default=100, help="pictures of each sort, or rounds (default: 100)")
    parser.add_argument("--steps", type=int, default=28, help="default: 28")
    parser.add_argument("--guidance_scale", type=float, default=4.5, help="default: 4.5")
    _add_output(parser)
    parser.add_argument("--grid", type=Path, help="also write the first eight pictures, plain over guided, to this PNG file")


def _add_guided(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--negative_prompt", default="", help="of all pictures (default: none)")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture (default: 0)")
    silent = "With a --push inside attention nothing is asked without --question or --preset."
    add_preset(guide := parser.add_argument_group("the guide", silent))
    add_settings(guide)


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="sd15", choices=push.SIDES, help="of random weights (default: sd15)")
    parser.add_argument("--side", type=int, help="pixels of the picture (default: 512 for sd15, 1024 for sd3)")
    parser.add_argument("--rounds", type=int, default=5, help="model calls of each sort (default: 5)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--dtype", default="auto", help="auto, float32, float16 or bfloat16")
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, help="also write the figures to this JSON file")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    if options.table == "safety":
        safety.run(options)
        return
    for name in ("seeds", "rounds"):
        if getattr(options, name, 1) < 1:
            raise InputError(f"{name}: {getattr(options, name)} is below 1; give 1 or more")
    figures = MEASURED[options.table](options)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(figures, indent=2) + "\n")


def _creativity(options: argparse.Namespace) -> dict[str, Any]:
    given = given_settings(options)
    silent = {"questions": ()} if given.get("push") in INSIDE and "preset" not in given else {}
    settings = checked_settings(silent | given, creativity.SETTINGS)
    with in_flags():
        check_steps(settings, options.steps)
    if options.seed < 0:
        raise InputError(f"seed: {options.seed} is below 0; give 0 or more")
    drawn = options.prompt, options.seeds, options.steps, options.guidance_scale
    figures, plain, guided = creativity.measure(*drawn, settings, options.negative_prompt, options.seed)
    print(creativity.table(figures))
    if options.grid:
        options.grid.parent.mkdir(parents=True, exist_ok=True)
        grid([plain[:8], guided[:8]]).save(options.grid)
    return figures


def _speed(options: argparse.Namespace) -> dict[str, Any]:
    figures = speed.measure(options.prompt, options.seeds, options.steps, options.guidance_scale)
    print(speed.table(figures))
    return figures


def _oracles(options: argparse.Namespace) -> dict[str, Any]:
    figures = oracles.measure(options.oracle, options.seeds, options.steps)
    print(oracles.table(figures))
    return figures


def _push(options: argparse.Namespace) -> dict[str, Any]:
    device = best_device(options.device)
    figures = push.measure(options.model, options.rounds, options.side, device, best_dtype(options.dtype, device))
    print(push.table(figures))
    return figures


MEASURED = {"creativity": _creativity, "speed": _speed, "oracles": _oracles, "push": _push}
