"""Oracles by name, from the host's models folder, the hub's cache, or by a download that can be seen and stopped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from modules import paths, shared

from ... import miniature
from ...errors import InputError
from ...oracles import registry
from ...oracles.cached import Cached
from ...oracles.download import fetch, is_complete
from ...oracles.remotes import read_remotes
from . import host, memory
from .options import REMOTES, chosen

MINIATURE = "miniature"


def load(name: str, device: str, dtype: str) -> Any:
    """The oracle of that name or folder, on a device of the host. Raises InputError, naming the folder to fill."""
    shared.state.textinfo = f"VLM Negative: loading {name}"
    try:
        place = name if name.startswith(registry.REMOTE) else _place(name)
        oracle = memory.placed(registry.load(place, device, dtype, means()))
        return Cached(oracle) if oracle.deterministic else oracle
    finally:
        shared.state.textinfo = None


def means() -> registry.Means:
    """The servers of the settings page, and the packages of a worker. Raises InputError where the page's JSON is wrong."""
    return registry.Means(read_remotes(chosen(REMOTES, "")), packages_folder(), host.is_stopped)


def root() -> Path:
    """Where everything is that we load: a request may name no other folder, since to load a model can be to run it."""
    return Path(paths.models_path) / "VLM"


def packages_folder() -> Path:
    """Where `python install.py --vlm` puts newer packages, which only a worker sees."""
    return root() / "packages"


def vocabularies_folder() -> Path:
    """Where the user's own vocabularies are: a request names a file there, and no other."""
    return root() / "vocabularies"


def folder_of(name: str) -> Path:
    """Where the files of a model from the hub are kept, and may be put by hand."""
    return root() / name.replace("/", "--")


def _place(name: str) -> str:
    """A folder to load from, or the name itself where the hub's own cache has it."""
    if name == MINIATURE:
        if not miniature.VILT.is_dir():
            raise InputError(f"oracle: the miniature's weights are not in {miniature.VILT}; choose another oracle")
        return str(miniature.VILT)
    folder = root() / name  # where a name that begins with a slash stays as it is
    if folder.is_dir() and root() in folder.parents and ".." not in folder.parts:
        return str(folder)
    if not re.fullmatch(r"(\w[\w.-]*/)?\w[\w.-]*", name):
        raise InputError(f"oracle: {name!r} is neither a name on the hub nor a folder in {root()}; put or link it there")
    folder = folder_of(name)
    if is_complete(folder):
        return str(folder)
    if cached := _in_cache(name):
        return cached
    fetch(name, folder, _show, host.is_stopped)
    return str(folder)


def _in_cache(name: str) -> str | None:
    """The snapshot in huggingface_hub's cache, if it is whole."""
    try:
        from huggingface_hub import snapshot_download

        found = Path(snapshot_download(name, local_files_only=True))
    except Exception:  # it raises what it likes, from version to version, for what it does not have
        return None
    return str(found) if is_complete(found) else None


def _show(text: str) -> None:
    shared.state.textinfo = f"VLM Negative: {text}"
