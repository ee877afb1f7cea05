"""Measure what the guide does, with a judge that never guides, and what it costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..bench import creativity, decode, oracles, push, speed
from ..devices import best_device, best_dtype
from ..errors import InputError
from ..miniature.grid import grid
from ..schedule import check_steps
from ..settings import INSIDE
from . import safety, table
from .flags import add_preset, add_settings, checked_settings, given_settings, in_flags

WHOLE = {"safety": safety, "table": table}  # tables with options and output of their own
TABLES = {
    "creativity": "how far from the cliche, and still what was asked for",
    "speed": "seconds plain, by the default and by the papers' public loop",
    "oracles": "what a question costs, beside asking one by one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which table, and how much is measured."""
    tables = parser.add_subparsers(dest="table", required=True, metavar="table")
    for name, text in TABLES.items():
        _add_common(parser := tables.add_parser(name, help=text, description=text))
        if name == "creativity":
            _add_guided(parser)
        if name == "speed":
            parser.add_argument("--model", default="miniature", choices=speed.MODELS, help="sd15: its size, random weights")
            parser.add_argument("--micro", action="store_true", help="of each push: calls, synchronisations and time a step")
    _add_push(tables.add_parser("push", help="what a push inside attention costs", description=push.__doc__))
    table.add_arguments(tables.add_parser("table", help=table.__doc__, description=table.__doc__))
    _add_decode(tables.add_parser("decode", help="what a small decode of x0 saves and changes", description=decode.__doc__))
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


def _add_decode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="miniature", choices=decode.FULL, help="sd15: time alone, random weights (default: miniature)"
    )
    parser.add_argument("--seeds", type=int, default=4, help="pictures a prompt, each looked at 4 times (default: 4, so 64 x0)")
    parser.add_argument("--seed", type=int, default=40000, help="of the first picture (default: 40000)")
    parser.add_argument("--steps", type=int, default=28, help="default: 28")
    parser.add_argument("--rounds", type=int, default=5, help="timed decodes of each size (default: 5)")
    parser.add_argument("--device", default="auto", help="of sd15: auto, cpu, cuda, cuda:1, ...")
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, help="also write the figures to this JSON file")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    if options.table in WHOLE:
        WHOLE[options.table].run(options)
        return
    for name, least in {"seeds": 1, "rounds": 1, "seed": 0}.items():
        if getattr(options, name, least) < least:
            raise InputError(f"{name}: {getattr(options, name)} is below {least}; give {least} or more")
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
    drawn = options.prompt, options.seeds, options.steps, options.guidance_scale
    figures, plain, guided = creativity.measure(*drawn, settings, options.negative_prompt, options.seed)
    print(creativity.table(figures))
    if options.grid:
        options.grid.parent.mkdir(parents=True, exist_ok=True)
        grid([plain[:8], guided[:8]]).save(options.grid)
    return figures


def _speed(options: argparse.Namespace) -> dict[str, Any]:
    if options.micro:
        figures = speed.measure_micro(options.seeds, options.steps, options.model)
        print(speed.micro.table(figures))
        return figures
    figures = speed.measure(options.prompt, options.seeds, options.steps, options.guidance_scale, options.model)
    print(speed.table(figures))
    return figures


def _oracles(options: argparse.Namespace) -> dict[str, Any]:
    figures = oracles.measure(options.oracle, options.seeds, options.steps)
    print(oracles.table(figures))
    return figures


def _decode(options: argparse.Namespace) -> dict[str, Any]:
    if options.model == "sd15":
        figures = decode.measure_size(options.rounds, best_device(options.device))
    else:
        if options.steps < (least := len(decode.MOMENTS)):
            raise InputError(f"steps: {options.steps} is below {least}, the moments that are looked at; give {least} or more")
        figures = decode.measure(options.seeds, options.rounds, options.steps, options.seed)
    print(decode.table(figures))
    return figures


def _push(options: argparse.Namespace) -> dict[str, Any]:
    device = best_device(options.device)
    figures = push.measure(options.model, options.rounds, options.side, device, best_dtype(options.dtype, device))
    print(push.table(figures))
    return figures


MEASURED = {"creativity": _creativity, "speed": _speed, "oracles": _oracles, "decode": _decode, "push": _push}
