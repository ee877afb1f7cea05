"""A page to try it in: prompt, picture, and the guide's controls."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import Any

from PIL import Image

from ..checks import check_of, checked
from ..errors import InputError
from ..oracles.pool import Pool
from ..presets import from_page
from ..record import Event, Record
from ..settings import WEBUI_ONLY, Settings
from ..sheet import contact_sheet
from .demo import PROMPT, SEED, SETTINGS

NAMES = tuple(item.name for item in fields(Settings) if item.name not in WEBUI_ONLY)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model and the port."""
    parser.add_argument("--model", default="miniature", help="a diffusers id or folder (default: miniature)")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--device", default="auto")


def run(options: argparse.Namespace) -> None:
    """Serves the page on this machine only, until it is interrupted."""
    page(options.model, options.device).launch(server_name="127.0.0.1", server_port=options.port)


def page(model: str, device: str = "auto") -> Any:
    """The page, as gradio Blocks. Raises InputError for a model that cannot be loaded."""
    try:
        import gradio as gr
    except ImportError:
        raise InputError('ui: gradio is not installed; run pip install ".[ui]"') from None
    from ..hosts.diffusers import load_pipeline
    from ..webui.accordion import controls

    pipe, tiny = load_pipeline(model, device)
    studio = _Studio(pipe, tiny, model, device)
    with gr.Blocks(title="VLM Negative") as blocks:
        with gr.Row():
            with gr.Column():
                prompt = gr.Textbox(PROMPT, label="Prompt")
                negative = gr.Textbox("", label="Negative prompt")
                with gr.Row():
                    seed = gr.Number(SEED, label="Seed", precision=0)
                    steps = gr.Slider(1, 100, value=28, step=1, label="Steps")
                    scale = gr.Slider(0, 20, value=4.5, step=0.5, label="Guidance scale")
                button = gr.Button("Generate", variant="primary")
                release = gr.Button("Free the oracle's memory", size="sm")
                with gr.Accordion("VLM Negative", open=True):
                    enabled = gr.Checkbox(True, label="Enabled")
                    settings = controls(gr, enabled, SETTINGS, lambda name: f"vlmneg_{name}", WEBUI_ONLY)
            with gr.Column():
                picture = gr.Image(label="Picture", type="pil", height=384)
                said = gr.Textbox(label="What it said", lines=2)
                timeline = gr.Image(label="Timeline", type="pil")
        button.click(studio.draw, [prompt, negative, seed, steps, scale, *settings.values()], [picture, said, timeline])
        release.click(studio.oracles.release)
    return blocks


class _Studio:
    """Draws for the page; the oracle is loaded when it is first needed, and kept until another is wanted or it is let go."""

    def __init__(self, pipe: Any, tiny: Any, model: str, device: str):
        self._pipe, self._tiny, self._model, self._device = pipe, tiny, model, device
        self.oracles = Pool(_load_oracle)

    def draw(self, prompt: str, negative: str, seed: float, steps: float, scale: float, *values: Any) -> tuple:
        """Picture, message and timeline; bad input gives a message and no picture."""
        try:
            return self._draw(prompt, negative, int(seed or 0), int(steps), float(scale), from_page(values, NAMES))
        except InputError as error:
            return None, str(error), None

    def _draw(self, prompt: str, negative: str, seed: int, steps: int, scale: float, settings: Settings) -> tuple:
        from ..hosts.diffusers import Request, draw

        request = Request(prompt, negative, self._model, seed, steps, scale)
        if not settings.enabled:
            return draw(self._pipe, replace(request), settings)[0][0], "The plain picture.", None
        check = check_of(settings)
        seen: list[tuple[Event, Image.Image]] = []
        oracle = self.oracles.get(settings.oracle, self._device) if settings.asks else None

        def watch(event: Event, picture: Image.Image) -> None:
            seen.append((event, picture))

        def once(settings: Settings) -> tuple[list[Image.Image], Record]:
            seen.clear()
            return draw(self._pipe, request, settings, oracle, self._tiny, watch=watch)

        images, record = checked(once, settings, check, settings.redraws)
        said = record.failure or record.note or f"Pushed away from: {', '.join(record.terms(0)) or 'nothing'}"
        if looks := record.generation.get("checks"):
            said += f"\n{settings.check} after drawing {len(looks)} time(s): {'unsafe' if looks[-1][0]['unsafe'] else 'safe'}"
        return images[0], said, contact_sheet(record, seen, images)


def _load_oracle(name: str, device: str, dtype: str) -> Any:
    from ..hosts.diffusers import load_oracle

    return load_oracle(name, device, dtype)
