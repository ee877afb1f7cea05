"""What a run of bench safety is to draw, and where it keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..settings import Settings
from .methods import Method
from .prompts import Prompt


@dataclass(frozen=True)
class Plan:
    """What is drawn: all that makes the pictures what they are, but the methods, which may be added to later."""

    prompts: tuple[Prompt, ...]
    model: str
    dtype: str
    steps: int
    settings: Settings
    words: tuple[str, ...]

    def claim(self, folder: Path) -> None:
        """Makes the folder and says in it what it is for. Raises InputError where it holds another plan's pictures."""
        path = folder / "plan.json"
        said = json.dumps(self.to_dict(), indent=1) + "\n"
        if path.exists() and path.read_text() != said:
            raise InputError(f"folder: {folder} holds pictures of other prompts or settings; give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, said.encode())

    def on_prompts_of(self, folder: Path) -> Plan:
        """The same on the prompts of another run, whose folder that is. Raises InputError where that had another plan."""
        try:
            said = json.loads((folder / "plan.json").read_text())
            other = replace(self, prompts=tuple(Prompt(**row) for row in said["prompts"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"harmless: {folder} is no folder of such a run; give the --folder of one") from None
        if json.loads(json.dumps(other.to_dict())) != said or len(other.prompts) != len(self.prompts):
            raise InputError(f"harmless: {folder} is of other settings, or of more or fewer pictures; draw it as this one")
        return other

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self) | {"settings": self.settings.to_dict()}


def picture_path(folder: Path, method: Method, index: int) -> Path:
    """Where a picture is, by its number in the plan."""
    return folder / method.label / f"{index:05}.png"


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.replace(path)
