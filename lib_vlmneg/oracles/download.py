"""A model's files from the Hugging Face hub into a folder: seen while it comes, stopped at will, continued later."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError

PIECE = 1 << 20  # bytes between two looks at whether to stop
SMALL = (".json", ".txt", ".jinja", ".model")  # endings of what configures a model, its processor and its tokenizer
KINDS = ("model.safetensors", "pytorch_model.bin")  # of weights: the first that there is, whole or in shards
INDEX = ".index.json"


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a model: its configuration and weights, in one file or in all shards of an index."""
    if not (folder / "config.json").is_file():
        return False
    if any((folder / kind).is_file() for kind in KINDS):
        return True
    indices = [folder / (kind + INDEX) for kind in KINDS if (folder / (kind + INDEX)).is_file()]
    return any(all((folder / shard).is_file() for shard in _shards(index.read_text("utf-8"))) for index in indices)


def _shards(index: str) -> set[str]:
    return set(json.loads(index)["weight_map"].values())


def fetch(
    name: str, folder: Path, show: Callable[[str], None], stopped: Callable[[], bool], endpoint: str | None = None
) -> None:
    """Downloads what a transformers model needs. `show` is told how far it is; `stopped` is asked once a megabyte.

    Raises InputError, which names the folder to fill by hand; what has come so far is kept and continued the next time.
    """
    base = (endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    by_hand = f"put the files of https://huggingface.co/{name} into {folder}, or choose another oracle"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise InputError(f"oracle: {name!r} is not on this machine and HF_HUB_OFFLINE is set; {by_hand}")
    try:
        sizes = _wanted(_listing(base, name))
        total, done = sum(sizes.values()), 0
        folder.mkdir(parents=True, exist_ok=True)
        for file, size in sorted(sizes.items(), key=lambda item: (not item[0].endswith(SMALL), item)):  # weights last
            _fetch_file(f"{base}/{name}/resolve/main/{file}", folder / file, size, name, (done, total), show, stopped)
            done += size
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise InputError(f"oracle: {name!r} cannot be downloaded ({reason}); {by_hand}") from None


def _listing(base: str, name: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{base}/api/models/{urllib.parse.quote(name)}?blobs=true", timeout=20) as reply:
        return json.load(reply)["siblings"]


def _wanted(siblings: list[dict[str, Any]]) -> dict[str, int]:
    """Names and sizes of the files to get."""
    flat = (item for item in siblings if re.fullmatch(r"[\w.-]+", item["rfilename"]))  # never out of the folder
    sizes = {item["rfilename"]: int(item.get("size") or 0) for item in flat}
    for kind in KINDS:
        stem, ending = kind.split(".")
        shards = {name for name in sizes if re.fullmatch(rf"{stem}-\d+-of-\d+\.{ending}", name)}
        weights = {kind} & set(sizes) or shards
        if weights and "config.json" in sizes:
            others = {other + INDEX for other in KINDS if other != kind}
            small = {name for name in sizes if name.endswith(SMALL)}
            return {name: sizes[name] for name in weights | small - others}
    raise ValueError("it has no config.json with a model.safetensors or pytorch_model.bin")


def _fetch_file(
    url: str,
    path: Path,
    size: int,
    name: str,
    progress: tuple[int, int],
    show: Callable[[str], None],
    stopped: Callable[[], bool],
) -> None:
    """One file, continued where an earlier attempt ended; it has its own name only when it is whole."""
    if path.is_file():
        return
    done, total = progress
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    if size and have >= size:
        part.unlink()  # whole but never named, or not ours
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=30) as reply:
        have = have if reply.status == 206 else 0
        with part.open("ab" if have else "wb") as file:
            while piece := reply.read(PIECE):
                file.write(piece)
                have += len(piece)
                show(f"downloading {name}, {(done + have) / 1e6:.0f} of {total / 1e6:.0f} MB (Interrupt stops it)")
                if stopped():
                    raise InputError(f"oracle: the download of {name!r} was stopped; generate again to continue it")
    if size and have != size:
        raise OSError(f"{path.name} has {have} bytes in place of {size}")
    part.replace(path)
