"""See it work: a plain and a guided picture from the same seed, on the miniature that ships."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from ..bench.creativity import SETTINGS
from ..record import Event, Record
from ..sheet import FAINT, INK, PAPER, contact_sheet, font

PROMPT, SEED = "a photo of a creative pet", 10
SIDE = 256
GAP = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Prompt, seed and where the picture goes."""
    parser.add_argument("--prompt", default=PROMPT, help=f"default: {PROMPT}")
    parser.add_argument("--seed", type=int, default=SEED)
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
    """Plain, guided and what was seen on the way, side by side under the prompt."""
    told = [pair for pair in seen if pair[0].added] or seen[:1]
    sheet = contact_sheet(record, told, [guided], columns=4)
    title = f'"{record.prompts[0]}", seed {record.generation["seed"]}'
    top, left = 2 * GAP + 14, 3 * GAP + 2 * SIDE
    image = Image.new("RGB", (left + max(sheet.width, SIDE) + GAP, top + max(SIDE + 24, sheet.height) + GAP), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((GAP, GAP), title, fill=FAINT, font=font(14))
    for x, picture, name in ((GAP, plain, "plain"), (2 * GAP + SIDE, guided, "guided")):
        image.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, top))
        draw.text((x, top + SIDE + 4), name, fill=INK, font=font(16))
    image.paste(sheet, (left, top - 8))
    return image
