"""Print the settings as a JSON schema: what an API request may hold."""

from __future__ import annotations

import argparse
import json

from ..schema import schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    print(json.dumps(schema(), indent=2))
