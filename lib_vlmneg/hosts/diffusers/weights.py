"""Which weights drew a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

PARTS = ("*.safetensors", "*.bin")
DRAWS = ("unet", "transformer*", "text_encoder*", "vae")  # the folders of a pipeline that what is drawn hangs on
CHUNK = 1 << 22  # bytes


def sha256(folder: str | Path | None) -> str | None:
    """Of all weights in a pipeline's folder that draw, name by name; None where there is no such folder (an id on the hub)."""
    if not folder:
        return None
    root = Path(folder)
    files = sorted({path for part in DRAWS for pattern in PARTS for path in root.glob(f"{part}/{pattern}")})
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode())
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def other_weights(recorded: str | None, present: str | None) -> str | None:
    """A line that says that a record is of other weights; None where they are the same or one is not known."""
    if not recorded or not present or recorded == present:
        return None
    return f"The record was drawn by other weights ({recorded[:12]}, here are {present[:12]}): the picture may be another."
