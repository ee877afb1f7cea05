"""python -m lib_vlmneg.miniature.grid OUT.png: one picture of each kind, as the miniature draws it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .captions import article
from .scenes import SIZE
from .world import CATEGORIES

GAP = 4


def grid(rows: Sequence[Sequence[Image.Image]], side: int = SIZE) -> Image.Image:
    """Pictures in rows, on white."""
    width = GAP + max(len(row) for row in rows) * (side + GAP)
    sheet = Image.new("RGB", (width, GAP + len(rows) * (side + GAP)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(
                picture.resize((side, side), Image.Resampling.LANCZOS), (GAP + x * (side + GAP), GAP + y * (side + GAP))
            )
    return sheet


def main() -> None:
    """Draws the 24 kinds, a category a row."""
    from ..hosts.diffusers import Request, draw, load_pipeline
    from ..settings import Settings

    parser = argparse.ArgumentParser(prog="python -m lib_vlmneg.miniature.grid", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pipe, _ = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    rows = [
        [
            draw(pipe, Request(f"a photo of {article(kind)}", seed=options.seed + index), Settings())[0][0]
            for index, kind in enumerate(kinds)
        ]
        for kinds in CATEGORIES.values()
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    grid(rows).save(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
