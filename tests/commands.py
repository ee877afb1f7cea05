"""Running `python -m lib_vlmneg generate` inside the test, on random weights and with scripted eyes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image
from pipelines import Eye, weights

from lib_vlmneg.cli import main
from lib_vlmneg.hosts import diffusers as host

load_once = cache(host.load_pipeline)


def digest(data: bytes) -> str:
    """Short, so that a failure is."""
    return sha256(data).hexdigest()[:12]


class Run:
    """One run of the command and what it left. Without `eye` the oracle is really loaded."""

    def __init__(
        self,
        folder: Path,
        *flags: Any,
        eye: Eye | None = None,
        question: tuple[str, ...] = ("What is this?",),
        record: bool = True,
        load_pipeline: Callable = load_once,
    ):
        self.folder, self.eye = folder, eye
        small = ["--model", weights(), "--steps", 4, "--height", 32, "--width", 32]
        places = ["--output_dir", folder / "out", "--intermediate_dir", folder / "x0"]
        asks = ["--question", *question] if question else []
        records = ["--record", folder / "record.json"] if record else []
        self._run([*small, *places, *asks, *records, *flags], load_pipeline)

    def _run(self, flags: list[Any], load_pipeline: Callable) -> None:
        def load(*arguments: Any) -> Any:
            self.load = arguments
            self.pipe, tiny = load_pipeline(*arguments)
            return self.pipe, tiny

        out, err = io.StringIO(), io.StringIO()
        with ExitStack() as during:
            during.enter_context(patch.object(host, "load_pipeline", load))
            if self.eye:
                during.enter_context(patch.object(host, "load_oracle", lambda *_, **__: self.eye))
            during.enter_context(redirect_stdout(out))
            during.enter_context(redirect_stderr(err))
            try:
                self.status = main(["generate", *map(str, flags)])
            except SystemExit as ended:
                self.status = ended.code
        self.out, self.err = out.getvalue(), err.getvalue()

    def files(self) -> list[str]:
        """Every file that was left, relative to the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def pictures(self) -> dict[str, str]:
        """A digest of each finished picture's pixels, by name."""
        return {path.name: digest(Image.open(path).tobytes()) for path in sorted((self.folder / "out").glob("*.png"))}

    def bytes(self) -> dict[str, str]:
        """A digest of each finished picture's file, with the parameters in it, by name."""
        return {path.name: digest(path.read_bytes()) for path in sorted((self.folder / "out").glob("*.png"))}

    def size(self) -> tuple[int, int]:
        """Width and height of the first picture."""
        return Image.open(min((self.folder / "out").glob("*.png"))).size

    def record(self) -> dict[str, Any]:
        return json.loads((self.folder / "record.json").read_text())

    def asked(self) -> list[int]:
        """The steps that asked."""
        return [event["step"] for event in self.record()["events"]]

    def negative(self) -> str:
        """The negative prompt after the last question."""
        return self.record()["events"][-1]["negative"]
