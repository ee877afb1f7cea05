"""The settings page: what is of the machine, not of one picture. Nothing secret is ever kept here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules import shared

SECTION = ("vlm_negative", "VLM Negative")
DEVICE, DTYPE = "vlm_negative_device", "vlm_negative_dtype"
KEEP, FOLDER, REMOTES = "vlm_negative_keep", "vlm_negative_folder", "vlm_negative_remotes"
EXAMPLE = '[{"name": "ollama", "url": "http://127.0.0.1:11434/v1", "model": "qwen2.5vl:3b"}]'


def add_options(gr: Any, release: Callable[[], None]) -> None:
    """Adds our options to the host's settings page; `release` lets go of an oracle that they were made for."""

    def option(default: Any, label: str, info: str, component: Any, **arguments: Any) -> Any:
        return shared.OptionInfo(default, label, component, arguments, section=SECTION).info(info)

    found = {
        DEVICE: option("auto", "Device of the oracle", "auto: the GPU, or the CPU with --medvram and --lowvram",
                       gr.Radio, choices=["auto", "cuda", "cpu"]),
        DTYPE: option("auto", "Precision of the oracle", "auto: the fastest that the device is good at",
                      gr.Radio, choices=["auto", "float32", "bfloat16", "float16"]),
        KEEP: option(True, "Keep the oracle in memory", "off: loaded anew for each generation, about a second", gr.Checkbox),
        FOLDER: option("", "Folder for records", "empty: no record is kept unless Save previews is on", gr.Textbox),
        REMOTES: option("", "Remote oracles", f"servers that speak OpenAI's chat completions, as JSON: {EXAMPLE}; then choose "
                        "the oracle remote:ollama. A key is named by key_env or key_file, never written here",
                        gr.Textbox, lines=3),
    }  # fmt: skip
    found[REMOTES].restrict_api = True  # or an API request could make this machine call any address, by override_settings
    for name in (DEVICE, DTYPE, REMOTES):
        found[name].onchange = release
    for name, value in found.items():
        shared.opts.add_option(name, value)


def chosen(name: str, default: Any) -> Any:
    """An option's value; `default` where the host does not have it yet."""
    return shared.opts.data.get(name, default)
