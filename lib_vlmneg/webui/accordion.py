"""The guide's controls, one for each of the `Settings`, for any gradio from 3.41 on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from typing import Any

from ..presets import CUSTOM, PRESETS, STEP_ONE, preset
from ..readers import typed_steps
from ..settings import Settings

Rows = Iterable[Collection[str]]  # what stands side by side
EVERYDAY = (("oracle",), ("questions", "vocabulary"), ("steps", "start", "stop", "every"))
PUSH = (("push", "push_scale"),)
INSIDE = (
    ("push_offset", "push_tau", "push_alpha"),
    ("push_blocks", "push_start", "push_end"),
    ("push_pooled", "push_compat", "push_only_at_cfg_1", "push_batch"),
)
ONE_PICTURES = "replay"  # a timeline belongs to one picture: saved as the page's default it would replay for ever
NEW_PICTURE = ("questions", "vocabulary", "only")  # a change of these ends a replay


def controls(
    gr: Any, enabled: Any, defaults: Settings, elem_id: Callable[[str], str], leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """The components by the names of the settings, in their order; `enabled` is made by the caller.

    A preset on top fills in several at once; the rarely needed ones are folded away, those of the push for themselves.
    """
    definitions = {item.name: item for item in fields(Settings) if item.name not in (*leave_out, "enabled")}
    made = {"enabled": enabled}
    choice = gr.Dropdown(
        [*PRESETS, CUSTOM], value=CUSTOM, label="Preset", info="Fills in the fields below", elem_id=elem_id("preset")
    )

    def place(rows: Rows) -> None:
        for row in rows:
            with gr.Row():
                for name in row:
                    made[name] = _control(gr, definitions[name], getattr(defaults, name), elem_id(name))

    place(EVERYDAY)
    with gr.Accordion("Push", open=False, elem_id=elem_id("pushing")):
        place(PUSH)
        with gr.Accordion("Inside attention: vsf, nag, nasa", open=False, elem_id=elem_id("inside")):
            place(INSIDE)
    with gr.Accordion("Advanced", open=False, elem_id=elem_id("advanced")):
        place([[name] for name in definitions if name not in made])
    if ONE_PICTURES in made:
        made[ONE_PICTURES].do_not_save_to_config = True
    filled = {name: made[name] for name in definitions if name in made}
    choice.input(lambda chosen: _filled_in(gr, chosen, filled), inputs=[choice], outputs=list(filled.values()))
    for name in NEW_PICTURE:
        if {name, ONE_PICTURES} <= made.keys():  # another question is for a new picture, not for the one that is replayed
            made[name].input(lambda: "", inputs=[], outputs=[made[ONE_PICTURES]])
    return {item.name: made[item.name] for item in fields(Settings) if item.name in made}


def shown(name: str, settings: Settings) -> Any:
    """A setting as its component holds it: lists as lines, steps and shares as text."""
    value = getattr(settings, name)
    kind = next(item.metadata["kind"] for item in fields(Settings) if item.name == name)
    if kind == "texts":
        return "\n".join(value)
    if kind == "steps":
        return typed_steps(value)
    if name == "stop" and repr(value) == "1":
        return STEP_ONE  # on the page 1 is the end of the run
    return str(value) if kind in ("position", "text", "auto_number") else value


def _filled_in(gr: Any, chosen: str, components: dict[str, Any]) -> list[Any]:
    """What a preset changes; all else goes back to its default, and with that a replay ends. "custom" leaves all as it is."""
    if chosen == CUSTOM:
        return [gr.update() for _ in components]
    settings = preset(chosen)
    kept = ("oracle", "previews")
    return [gr.update() if name in kept else gr.update(value=shown(name, settings)) for name in components]


def _control(gr: Any, definition: Any, value: Any, elem_id: str) -> Any:
    meta = definition.metadata
    common = {"label": meta["label"], "info": meta["help"], "elem_id": elem_id}
    held = shown(definition.name, Settings(**{definition.name: value}))
    if meta["kind"] == "bool":
        return gr.Checkbox(held, **common)
    if meta["kind"] == "choice":
        return gr.Dropdown(list(meta["choices"]), value=held, **common)
    if meta["kind"] in ("int", "float") and "maximum" in meta and meta["maximum"] <= 20:
        step = 1 if meta["kind"] == "int" else 0.05
        return gr.Slider(meta["minimum"], meta["maximum"], value=held, step=step, **common)
    if meta["kind"] in ("int", "float"):
        return gr.Number(held, **common)
    return gr.Textbox(held, lines=2 if meta["kind"] == "texts" else 1, **common)
