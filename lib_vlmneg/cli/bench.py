"""Measure what the guide does, with a judge that never guides."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..bench import creativity
from ..miniature.grid import grid
from .demo import PROMPT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which table, and how much is measured."""
    parser.add_argument(
        "table", choices=["creativity"], help="creativity: how far from the cliche, and still what was asked for"
    )
    parser.add_argument("--prompt", default=creativity.PROMPT, help=f"default: {creativity.PROMPT}; the demo's is {PROMPT}")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--guidance_scale", type=float, default=4.5)
    parser.add_argument("--output", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--grid", type=Path, help="also write the first eight pictures, plain over guided, to this PNG file")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    figures, plain, guided = creativity.measure(options.prompt, options.seeds, options.steps, options.guidance_scale)
    print(creativity.table(figures))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    if options.grid:
        options.grid.parent.mkdir(parents=True, exist_ok=True)
        grid([plain[:8], guided[:8]]).save(options.grid)
