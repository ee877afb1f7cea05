"""What an oracle may use beside this process, from a command's options."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..oracles.registry import Means
from ..oracles.remotes import read_remotes


def means_of(remotes: Path | None) -> Means:
    """The servers in a JSON file. Raises InputError."""
    if remotes is None:
        return Means()
    try:
        return Means(read_remotes(remotes.read_text(encoding="utf-8")))
    except (OSError, UnicodeError) as error:
        raise InputError(f"remotes: {remotes} cannot be read ({error}); give a JSON file of servers") from None
