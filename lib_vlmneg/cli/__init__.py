"""The command line. Bad input ends it with one line and exit status 2."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__
from ..errors import InputError
from . import bench, demo, generate, oracles, record, schema, ui

MODULES = (demo, generate, ui, bench, record, oracles, schema)
COMMANDS = {module.__name__.rpartition(".")[2]: module for module in MODULES}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with status 2."""
        self.exit(2, f"vlm-negative: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str]) -> int:
    """Runs one command and gives the exit status."""
    parser = _Parser(prog="python -m lib_vlmneg", description="Negative prompts that see.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.__doc__, description=module.__doc__))
    options = parser.parse_args(arguments)
    _quiet()
    try:
        COMMANDS[options.command].run(options)
    except InputError as error:
        print(f"vlm-negative: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _quiet() -> None:
    """Only what concerns the user is printed."""
    logging.basicConfig(format="%(message)s")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
