"""params.txt, which the arrow under Generate pastes: the host writes it before the first model call (processing.py:970)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modules import infotext_utils, paths, shared

from . import host

SAME = ("Prompt", "Negative prompt", "Seed", "Variation seed", "Steps", "Sampler", "Size-1", "Size-2", "Model")


def complete(processed: Any) -> None:
    """Writes the first picture's parameters, now with its timeline, over what the host wrote of this same picture."""
    if getattr(shared.cmd_opts, "no_prompt_history", False):
        return
    path = Path(paths.data_path) / "params.txt"
    text = processed.infotexts[processed.index_of_first_image]
    try:
        if _picture(path.read_text(encoding="utf8")) == _picture(text):
            path.write_text(text, encoding="utf8")
    except (OSError, UnicodeDecodeError) as error:
        host.logger.warning("VLM Negative: the last parameters cannot be written to %s (%s)", path, error)


def _picture(text: str) -> list[Any]:
    """What tells one picture from another; samplers add to the rest while they draw."""
    found = infotext_utils.parse_generation_parameters(text)
    return [found.get(key) for key in SAME]
