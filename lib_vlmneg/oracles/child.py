"""The process of a WorkerOracle and the line to it: begun, heard and ended, whatever it does."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

from . import worker_main
from .worker_main import prompt


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
        self._folder, self.connection, self._visitors = Path(tempfile.mkdtemp(prefix="vlmneg-")), None, SimpleQueue()
        secret = secrets.token_bytes(32)
        listener = Listener(("127.0.0.1", 0), authkey=secret)
        self._address = listener.address
        command, env = [sys.executable, worker_main.__file__], {**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"}
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        with (self._folder / "log").open("wb") as log:  # a file, since a pipe that nobody reads would block it when full
            self._process = Popen(command, stdin=PIPE, stdout=log, stderr=log, env=env, creationflags=flags)
        threading.Thread(target=accept, args=(listener, self._visitors, self.alive), daemon=True).start()
        with suppress(OSError), self._process.stdin as pipe:  # that it has gone is seen by `connected`
            pipe.write(json.dumps({**order, "address": self._address, "secret": secret.hex()}).encode() + b"\n")

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def connected(self, seconds: float) -> bool:
        """Waits for the process to connect. Raises Ended."""
        try:
            self.connection = prompt(self._visitors.get(timeout=seconds))
        except Empty:
            if not self.alive():
                raise self.ended() from None
            return False
        return True

    def heard(self, seconds: float) -> bool:
        """Waits for what the process says, or for the line to be dead, which shows when it is read."""
        with suppress(OSError):
            return self.connection.poll(seconds)
        return True

    def ended(self) -> Ended:
        """What there is to say of the process's end."""
        self._hang_up(1.0)
        lines = (self._folder / "log").read_bytes()[-4096:].decode("utf-8", "replace").strip().split("\n")
        return Ended(self._name, self._process.returncode, " ".join(lines[-1].split()))

    def end(self, grace: float = 1.0) -> None:
        """Hangs up, which tells the process to end; one that does not is terminated, then killed."""
        if self._process is None:
            return
        self._hang_up(grace)
        if self.connection is None:
            with suppress(OSError):  # a knock, for the thread that still waits at the door
                socket.create_connection(self._address, 1).close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _hang_up(self, grace: float) -> None:
        if self.connection is not None:
            self.connection.close()
        for seconds, harder in ((grace, self._process.terminate), (0.2, self._process.kill), (1.0, int)):
            try:
                self._process.wait(seconds)
                break
            except TimeoutExpired:
                harder()


def accept(listener: Listener, visitors: SimpleQueue[Connection], wanted: Callable[[], bool]) -> None:
    """Lets in the one who knows the secret."""
    with listener:
        while wanted():
            with suppress(AuthenticationError, EOFError, OSError):
                visitors.put(listener.accept())
                return
