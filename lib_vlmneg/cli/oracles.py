"""Say which oracles can be used here and now, and why not the others."""

from __future__ import annotations

import argparse
from pathlib import Path

from .means import means_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the servers are."""
    parser.add_argument("--remotes", type=Path, help="JSON file of servers that answer")


def run(options: argparse.Namespace) -> None:
    """Prints a line for each: an example of its kind, and where it would answer."""
    from ..oracles.registry import offers

    found = offers(means_of(options.remotes))
    width = max(len(offer.name) for offer in found)
    for offer in found:
        print(f"{offer.name:{width}}  {'yes' if offer.usable else 'no '}  {offer.where}")
