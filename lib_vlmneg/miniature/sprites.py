"""The pictures that the scenes are made of: Microsoft's Fluent Emoji, flat (MIT), from the npm package registry."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from PIL import Image

from .world import CODEPOINTS

PACKAGE = "@lobehub/fluent-emoji-flat@1.1.0"
SIDE = 256


def load(cache: Path) -> dict[str, Image.Image]:
    """All sprites as 256x256 RGBA pictures by name, fetched once into `cache` with `npm pack`."""
    folder = cache / "sprites"
    if not all((folder / f"{name}.png").exists() for name in CODEPOINTS):
        _rasterise(_fetch(cache), folder)
    return {name: Image.open(folder / f"{name}.png").convert("RGBA") for name in CODEPOINTS}


def _fetch(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("miniature.train: npm is needed once, to fetch the pictures; install Node.js and run again")
    packed = subprocess.run([npm, "pack", PACKAGE], cwd=cache, check=True, capture_output=True, text=True)
    return cache / packed.stdout.strip().splitlines()[-1]


def _rasterise(archive: Path, folder: Path) -> None:
    import resvg_py

    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        members = {Path(member.name).stem.removesuffix("-fe0f"): member for member in tar if member.name.endswith(".svg")}
        for name, codepoint in CODEPOINTS.items():
            svg = tar.extractfile(members[codepoint]).read().decode()
            png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE))
            Image.open(io.BytesIO(png)).convert("RGBA").save(folder / f"{name}.png")
