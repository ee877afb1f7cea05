"""Measure what the default and each preset leave of the favourite and how far they spread the kinds, on the miniature."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from ..errors import InputError
from .files import writable

HELD_OUT = 50000  # the first of the seeds that nothing is chosen on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much is drawn, from which seed on, and where it goes."""
    from ..bench.table import SIZES

    add = parser.add_argument
    numbers = "; ".join(f"{name}: {', '.join(map(str, counts))}" for name, counts in SIZES.items())
    add("--size", default="small", choices=SIZES, help=f"pictures of plain and default, presets, other samplings ({numbers})")
    add("--seed", type=int, default=HELD_OUT, help=f"of the first picture (default: {HELD_OUT})")
    add("--folder", type=Path, default=Path("out/table"), help="the state of the run, which goes on there (default: out/table)")
    add("--output", type=Path, help="also write the figures to this CSV file")
    add("--markdown", type=Path, metavar="CSV", help="draw nothing: print the tables of the documents from this CSV file")


def run(options: argparse.Namespace) -> None:
    """Draws what is missing, prints the table, writes the CSV."""
    if options.markdown:
        _print_documents(options.markdown)
        return
    from ..bench import spread, table
    from ..hosts.diffusers.weights import sha256
    from ..miniature import WEIGHTS

    if not 0 <= options.seed < 2**32:
        raise InputError(f"seed: {options.seed} is not from 0 to {2**32 - 1}")
    writable("folder", options.folder)
    weights = (sha256(WEIGHTS) or "")[:12]
    chosen = table.rows(options.size)
    folder = options.folder / f"{weights}-{options.seed}"  # nothing is mixed with what other weights drew
    table.draw_all(chosen, options.seed, folder)
    lines = spread.figures(table.read_all(chosen, folder), options.seed, commit(), weights)
    if options.output:
        spread.write_csv(lines, options.output)
    print(spread.text(lines))


def _print_documents(path: Path) -> None:
    from ..bench import markdown

    try:
        lines = markdown.read(path)
        print(markdown.short(lines), markdown.full(lines), sep="\n\n")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"markdown: {path} is no table of this bench ({error}); give a file that --output wrote") from None


def commit() -> str:
    """Of this checkout; empty where there is no git."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
        )
    except OSError:
        return ""
    return found.stdout.strip()
