"""The settings page: what is of the machine, not of one picture. Nothing secret is ever kept here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules import shared

from ...devices import DTYPES, QUANTISED

SECTION = ("vlm_negative", "VLM Negative")
DEVICE, DTYPE = "vlm_negative_device", "vlm_negative_dtype"
KEEP, IDLE, PLACES = "vlm_negative_keep", "vlm_negative_idle", "vlm_negative_places"
FOLDER, REMOTES, PANEL = "vlm_negative_folder", "vlm_negative_remotes", "vlm_negative_panel"
PLACE_EXAMPLE = "Qwen/Qwen2.5-VL-3B-Instruct cuda:1 int4"
EXAMPLE = '[{"name": "ollama", "url": "http://127.0.0.1:11434/v1", "model": "qwen2.5vl:3b"}]'


def add_options(gr: Any, release: Callable[[], None], build_panel: Callable[[], None]) -> None:
    """Adds our options to the host's settings page, and the panel below them, which `build_panel` makes.

    `release` lets go of an oracle that was made for other options.
    """

    def option(default: Any, label: str, info: str, component: Any, **arguments: Any) -> Any:
        return shared.OptionInfo(default, label, component, arguments, section=SECTION).info(info)

    found = {
        DEVICE: option("auto", "Device of the oracle", "auto: the GPU, or the CPU with --medvram and --lowvram",
                       gr.Radio, choices=["auto", "cuda", "cpu"]),
        DTYPE: option("auto", "Precision of the oracle", "auto: the fastest on its device; int8 and int4 need bitsandbytes",
                      gr.Radio, choices=["auto", *DTYPES, *QUANTISED]),
        PLACES: option("", "Device and precision of single oracles", f"one a line, in place of the above: {PLACE_EXAMPLE}",
                       gr.Textbox, lines=2),
        KEEP: option(True, "Keep the oracle in memory", "off: loaded anew for each generation, about a second", gr.Checkbox),
        IDLE: option(600, "Free the oracle's memory when it was not used for so many seconds", "0: never", gr.Number,
                     precision=0, minimum=0),
        FOLDER: option("", "Folder for records", "empty: no record is kept unless Save previews is on", gr.Textbox),
        REMOTES: option("", "Remote oracles", f"servers that speak OpenAI's chat completions, as JSON: {EXAMPLE}; then choose "
                        "the oracle remote:ollama. A key is named by key_env or key_file, never written here",
                        gr.Textbox, lines=3),
    }  # fmt: skip
    found[REMOTES].restrict_api = True  # or an API request could make this machine call any address, by override_settings
    for name in (DEVICE, DTYPE, PLACES, REMOTES):
        found[name].onchange = release
    found[PANEL] = shared.OptionHTML("Which oracles can be used here, and what takes memory:")
    found[PANEL].component, found[PANEL].section = _with(gr, found[PANEL].component, build_panel), SECTION
    for name, value in found.items():
        shared.opts.add_option(name, value)


def _with(gr: Any, component: Any, build_panel: Callable[[], None]) -> Callable[..., Any]:
    """The component of an option, and the panel behind it."""

    def made(elem_id: str, **arguments: Any) -> Any:
        with gr.Column(elem_id=elem_id):  # an HTML of gradio 3.41 would be given the id twice
            first = component(**arguments)
            build_panel()
        return first

    return made


def chosen(name: str, default: Any) -> Any:
    """An option's value; `default` where the host does not have it yet."""
    return shared.opts.data.get(name, default)
