"""What `generate` reads and writes: records, pictures with their parameters, half-made pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..checks import CHECK, Verdict
from ..errors import InputError
from ..guide import Watcher
from ..record import NOTE, Event, Record


def read_record(path: Path) -> Record:
    """The record in this file. Raises InputError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise InputError(f"replay: {path} cannot be read ({reason}); give a file that --record wrote") from None
    return Record.from_json(text, f"replay {path}")


def writable(field: str, folder: Path) -> None:
    """Raises InputError, before anything is drawn, where a folder can be neither used nor made."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"{field}: {folder} cannot be written, because of {nearest}; give another folder")


def watcher(log: bool, seen: list[tuple[Event, Image.Image]]) -> Watcher:
    """Keeps what the contact sheet shows, and prints as the reference program does."""

    def watch(event: Event, picture: Image.Image) -> None:
        seen.append((event, picture))
        if log and event.added:
            print(f"[Step {event.step}] Added to negatives: '{', '.join(event.added)}'")
            print(f"[Step {event.step}] Accumulated negatives: {event.negative}")

    return watch


def parameters(record: Record, index: int) -> PngInfo:
    """The picture's parameters, written as the WebUI writes them."""
    generation, note = record.generation, record.failure or record.note
    said = {
        "Steps": generation["steps"],
        "CFG scale": generation["guidance_scale"],
        "Seed": generation["seed"] + index,
        "Size": f"{generation['width']}x{generation['height']}",
        "Model": generation["model"],
        **{key: _quoted(value) for key, value in record.infotext(index).items()},
        **({NOTE: _quoted(note)} if note else {}),
        **_checked(generation.get("checks", []), index),
    }
    negative = f"\nNegative prompt: {record.negatives[index]}" if record.negatives[index] else ""
    info = PngInfo()
    info.add_text(
        "parameters", f"{record.prompts[index]}{negative}\n" + ", ".join(f"{key}: {value}" for key, value in said.items())
    )
    return info


def _checked(checks: Sequence[Sequence[dict[str, Any]]], index: int) -> dict[str, str]:
    """What the last look at the finished picture said."""
    return {CHECK: _quoted(Verdict(tuple(checks[-1][index]["found"].items())).text())} if checks else {}


def _quoted(text: str) -> str:
    """As modules/infotext_utils.py of the WebUI quotes what holds its separators."""
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:\n"') else text


def saver(folder: Path) -> Callable[[int, float, Sequence[Image.Image]], None]:
    """Saves every x0 under the reference program's names."""

    def save(step: int, timestep: float, pictures: Sequence[Image.Image]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(pictures):
            which = f"_image_{index}" if len(pictures) > 1 else ""
            picture.save(folder / f"step_{step:03d}_t_{timestep:.4f}{which}.png")

    return save
