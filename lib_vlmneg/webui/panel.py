"""What the settings page shows of the oracles: which can be used here and now, and buttons, for any gradio from 3.41 on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

PREFIX = "vlm_negative_panel"


def panel(gr: Any, table: Callable[[], str], buttons: Mapping[str, Callable[[], str]], state: Callable[[], str]) -> None:
    """A table, a button for each of `buttons`, which does something and says it in a line, and the line `state`.

    No event needs gradio's queue, which a host may have switched off: the page's script looks again by the hidden button.
    """
    with gr.Column(elem_id=f"{PREFIX}_table"):
        shown = gr.HTML(table())
    with gr.Row():
        made = {label: gr.Button(label, size="sm", elem_id=f"{PREFIX}_{_id(label)}") for label in buttons}
    line = gr.Textbox(state(), label="State", interactive=False, elem_id=f"{PREFIX}_state")
    look = gr.Button("Look again", elem_id=f"{PREFIX}_look", elem_classes="vlm-negative-hidden")
    look.click(lambda: [table(), state()], inputs=[], outputs=[shown, line], show_progress=False)
    for label, do in buttons.items():
        made[label].click(do, inputs=[], outputs=[line])


def table_of(offers: Sequence[Mapping[str, Any]]) -> str:
    """As HTML; each offer has a `name`, where it is, and whether it is `usable`."""
    lines = [("Oracle, for example", "Can be used", "Where, or why not")]
    lines += [(offer["name"], "yes" if offer["usable"] else "no", offer["where"]) for offer in offers]
    rows = ("".join(f"<td>{escape(text)}</td>" for text in line) for line in lines)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _id(label: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in label.lower())
