"""See it work: a plain and a guided picture from the same seed, on the miniature that ships."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from ..bench.creativity import SETTINGS
from ..record import Event, Record
from ..sheet import FAINT, INK, PAPER, contact_sheet, font

PROMPT = "a photo of a creative pet"
SIDE = 256
GAP = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Prompt, seed and where the picture goes."""
    parser.add_argument("--prompt", default=PROMPT, help=f"default: {PROMPT}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("out/demo.png"))


def run(options: argparse.Namespace) -> None:
    """Leaves the two pictures and the timeline in one PNG."""
    from ..hosts.diffusers import Request, draw, load_oracle, load_pipeline

    pipe, tiny = load_pipeline("miniature")
    oracle = load_oracle(SETTINGS.oracle)
    request = Request(options.prompt, seed=options.seed)
    print(f'"{request.prompt}", seed {request.seed}, {request.steps} steps. Plain:')
    (plain,), _ = draw(pipe, request, replace(SETTINGS, enabled=False))
    print("Guided:")
    seen: list[tuple[Event, Image.Image]] = []
    (guided,), record = draw(pipe, request, SETTINGS, oracle, tiny, watch=lambda *shown: seen.append(shown))
    for event, _ in seen:
        if event.added:
            print(f"  step {event.step:2}: sees {', '.join(event.added)}")
    print(f"The negative prompt in the end: {', '.join(record.terms(0)) or '(empty)'}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    poster(plain, guided, record, seen).save(options.output)
    print(f"Plain, guided and the timeline: {options.output}")


def poster(plain: Image.Image, guided: Image.Image, record: Record, seen: list[tuple[Event, Image.Image]]) -> Image.Image:
    """Plain and guided side by side, and what was seen on the way."""
    told = [pair for pair in seen if pair[0].added] or seen[:1]
    sheet = contact_sheet(record, told, [guided], columns=8)
    width = max(sheet.width, 2 * SIDE + 3 * GAP) + 2 * GAP
    image = Image.new("RGB", (width, 3 * GAP + SIDE + 24 + sheet.height), PAPER)
    draw = ImageDraw.Draw(image)
    for x, picture, title in ((GAP, plain, "plain"), (2 * GAP + SIDE, guided, "guided")):
        image.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, GAP))
        draw.text((x, GAP + SIDE + 4), title, fill=INK, font=font(16))
    draw.text((3 * GAP + 2 * SIDE, GAP), f'"{record.prompts[0]}"', fill=FAINT, font=font(14))
    image.paste(sheet, (GAP, 2 * GAP + SIDE + 24))
    return image
