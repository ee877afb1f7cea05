"""The guide's controls, in the order of `Settings`, for any gradio from 3.41 on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ..settings import Settings

EVERYDAY = ("questions", "oracle", "topk", "suffix", "start", "stop", "every")


def controls(gr: Any, enabled: Any, defaults: Settings, elem_id: Callable[[str], str]) -> list[Any]:
    """One component a field of `Settings`, `enabled` first; the rarely needed ones in an accordion of their own."""
    made = {"enabled": enabled}
    definitions = {definition.name: definition for definition in fields(Settings)}
    for name in EVERYDAY:
        made[name] = _control(gr, definitions[name], getattr(defaults, name), elem_id(name))
    with gr.Accordion("More", open=False):
        for name, definition in definitions.items():
            if name not in made:
                made[name] = _control(gr, definition, getattr(defaults, name), elem_id(name))
    return [made[name] for name in definitions]


def _control(gr: Any, definition: Any, value: Any, elem_id: str) -> Any:
    meta = definition.metadata
    common = {"label": meta["label"], "info": meta["help"], "elem_id": elem_id}
    if meta["kind"] == "bool":
        return gr.Checkbox(value, **common)
    if meta["kind"] == "choice":
        return gr.Dropdown(list(meta["choices"]), value=value, **common)
    if meta["kind"] in ("int", "float") and "maximum" in meta and meta["maximum"] <= 20:
        step = 1 if meta["kind"] == "int" else 0.05
        return gr.Slider(meta["minimum"], meta["maximum"], value=value, step=step, **common)
    if meta["kind"] in ("int", "float"):
        return gr.Number(value, **common)
    if meta["kind"] == "texts":
        return gr.Textbox("\n".join(value), lines=2, **common)
    written = " ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
    return gr.Textbox(written, **common)
