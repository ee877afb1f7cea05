"""Which weights drew a picture."""

from __future__ import annotations

import hashlib
from pathlib import Path

PARTS = ("*.safetensors", "*.bin")
DRAWS = ("unet", "transformer*", "text_encoder*", "vae")  # the folders of a pipeline that what is drawn hangs on
CHUNK = 1 << 22  # bytes


def sha256(folder: str | Path) -> str | None:
    """Of all weights in a pipeline's folder that draw, name by name; None where there is no such folder (an id on the hub)."""
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
