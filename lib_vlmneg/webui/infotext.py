"""From the parameters of a picture back into the controls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ..presets import readable
from ..settings import INFOTEXT_PREFIX, Settings
from .accordion import shown

logger = logging.getLogger(__name__)
OURS = INFOTEXT_PREFIX + "enabled"


def paste_fields(components: Mapping[str, Any]) -> list[tuple[Any, Callable[[Mapping[str, str]], Any]]]:
    """What a script gives the host as `infotext_fields`: a picture of ours sets every control, another switches us off."""
    return [(component, _reader(name)) for name, component in components.items()]


def paste_names(components: Mapping[str, Any]) -> list[str]:
    """The infotext keys, for the host's `paste_field_names`."""
    labels = {item.name: item.metadata["label"].lower() for item in fields(Settings)}
    return [INFOTEXT_PREFIX + labels[name] for name in components]


def _reader(name: str) -> Callable[[Mapping[str, str]], Any]:
    def read(infotext: Mapping[str, str]) -> Any:
        if OURS not in infotext:
            return False if name == "enabled" else None  # None leaves the control as it is
        settings, wrong = readable(infotext)
        if name in wrong:
            _warn(f"{wrong[name]}. This field of the pasted picture is left as it was.")
            return None
        return shown(name, settings)

    return read


def _warn(message: str) -> None:
    """In the log, and on the page where gradio can (3.41 and later)."""
    import gradio

    logger.warning("VLM Negative: %s", message)
    if hasattr(gradio, "Warning"):
        gradio.Warning(f"VLM Negative: {message}")
