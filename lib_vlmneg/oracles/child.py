"""The process of a WorkerOracle: begun, heard and ended, whatever it does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

from . import worker_main
from .line import Line

LAST_WORDS = 0.5  # seconds for what a process said before it ended


class Ended(RuntimeError):
    """The process has ended; `status` is its exit status."""

    def __init__(self, name: str, status: int, line: str):
        super().__init__(f"the worker of {name} ended (exit status {status}): {line or 'it said nothing'}")
        self.status = status


class Child:
    """The process and the line to it, one life after the other."""

    def __init__(self, name: str):
        self._name = name
        self._process: Popen[bytes] | None = None

    def start(self, order: dict[str, Any]) -> None:
        """Begins a life. The secret goes through the process's stdin: its arguments and environment can be seen by others."""
        self.end(0)
        self._folder, self.line = Path(tempfile.mkdtemp(prefix="vlmneg-")), Line()
        command, env = [sys.executable, worker_main.__file__], {**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"}
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        with (self._folder / "log").open("wb") as log:  # a file, since a pipe that nobody reads would block it when full
            self._process = Popen(command, stdin=PIPE, stdout=log, stderr=log, env=env, creationflags=flags)
        with suppress(OSError), self._process.stdin as pipe:  # that it has gone is seen by `heard`
            pipe.write(json.dumps({**order, "address": self.line.address, "secret": self.line.secret.hex()}).encode() + b"\n")

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def heard(self, seconds: float) -> dict[str, Any] | None:
        """What the process says next; None where it says nothing for so long. Raises Ended, or ValueError for nonsense."""
        try:
            said = self.line.heard(seconds)
            if said is None and not self.alive():
                said = self.line.heard(LAST_WORDS)
                if said is None:
                    raise EOFError
        except (EOFError, OSError):
            raise self._ended() from None
        return said and said[0]

    def end(self, grace: float = 1.0) -> None:
        """Hangs up, which tells the process to end; one that does not is terminated, then killed."""
        if self._process is None:
            return
        self._hang_up(grace)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ended(self) -> Ended:
        """What there is to say of the process's end."""
        self._hang_up(1.0)
        lines = (self._folder / "log").read_bytes()[-4096:].decode("utf-8", "replace").strip().split("\n")
        return Ended(self._name, self._process.returncode, " ".join(lines[-1].split()))

    def _hang_up(self, grace: float) -> None:
        self.line.hang_up()
        for seconds, harder in ((grace, self._process.terminate), (0.2, self._process.kill), (1.0, int)):
            try:
                self._process.wait(seconds)
                break
            except TimeoutExpired:
                harder()
