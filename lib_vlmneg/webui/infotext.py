"""From the parameters of a picture back into the controls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ..presets import readable
from ..settings import INFOTEXT_PREFIX, Settings
from .accordion import ONE_PICTURES, shown

logger = logging.getLogger(__name__)
OURS = INFOTEXT_PREFIX + "enabled"


class Key(str):
    """The infotext key of a control, which also reads it from a picture's parameters.

    A host that sends one tab's fields to another compares keys (infotext_utils.py:172), one that pastes calls them (:489).
    """

    def __new__(cls, key: str, read: Callable[[Mapping[str, str]], Any]) -> Key:
        """`read` gives the control's value, None to leave it as it is."""
        made = super().__new__(cls, key)
        made._read = read
        return made

    def __call__(self, infotext: Mapping[str, str]) -> Any:
        return self._read(infotext)


def paste_fields(components: Mapping[str, Any], img2img: bool = False) -> list[tuple[Any, Key]]:
    """What a script gives the host as `infotext_fields`: a picture of ours sets every control, another switches us off."""
    return [(component, Key(_key(name), _reader(name, img2img))) for name, component in components.items()]


def paste_names(components: Mapping[str, Any]) -> list[str]:
    """The host's `paste_field_names`, what is sent from tab to tab: all but the timeline, which belongs to one picture."""
    return [_key(name) for name in components if name != ONE_PICTURES]


def _key(name: str) -> str:
    return INFOTEXT_PREFIX + next(item.metadata["label"].lower() for item in fields(Settings) if item.name == name)


def _reader(name: str, img2img: bool) -> Callable[[Mapping[str, str]], Any]:
    def read(infotext: Mapping[str, str]) -> Any:
        if OURS not in infotext:
            return False if name == "enabled" else None  # None leaves the control as it is
        settings, wrong = readable(infotext)
        if name in wrong:
            _warn(f"{wrong[name]}. This field of the pasted picture is left as it was.")
            return None
        if name == ONE_PICTURES and _of_img2img(infotext) != img2img:
            return ""  # what the other tab made starts from another picture, or from none
        return shown(name, settings)

    return read


def _of_img2img(infotext: Mapping[str, str]) -> bool:
    """Whether a picture was made from another one: the hires pass, too, has a denoising strength."""
    return "Denoising strength" in infotext and not any(key.startswith("Hires ") for key in infotext)


def _warn(message: str) -> None:
    """In the log, and on the page where gradio can (3.41 and later)."""
    import gradio

    logger.warning("VLM Negative: %s", message)
    if hasattr(gradio, "Warning"):
        gradio.Warning(f"VLM Negative: {message}")
