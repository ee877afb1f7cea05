"""An oracle in a process of its own, with newer packages than the host's: the host keeps its own, and can be interrupted."""

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
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any

from PIL import Image

from ..errors import InputError
from . import worker_main
from .base import Answer, Oracle
from .stopped import Stopped
from .worker_main import packed, prompt, receive, send

LOOK = 0.1  # seconds between two looks at whether to stop


class WorkerOracle(Oracle):
    """The oracle that `loader` ("module:function", called with name, device and dtype) makes in a child of this Python.

    `packages` is a folder that comes first on the child's path. Times are in seconds: the child ends by itself when it was not
    asked for `idle`, and is started again when next asked. The constructor waits until it has loaded, `start_timeout` at most.
    Raises InputError as the loader does, Stopped when `stopped` says so, RuntimeError when the child fails or takes too long.
    """

    def __init__(
        self,
        name: str,
        device: str = "auto",
        dtype: str = "auto",
        packages: Path | None = None,
        idle: float = 600.0,
        start_timeout: float = 300.0,
        ask_timeout: float = 120.0,
        stopped: Callable[[], bool] | None = None,
        loader: str = "lib_vlmneg.oracles.registry:load",
    ):
        self.name = name
        self._order = {"name": name, "device": device, "dtype": dtype, "idle": idle, "loader": loader}
        self._order["packages"] = str(Path(packages).resolve()) if packages else None
        self._start_timeout, self._ask_timeout, self._stopped = start_timeout, ask_timeout, stopped
        self._lock, self._closed, self._child = threading.Lock(), False, _Child(name)
        self._end = weakref.finalize(self, self._child.end)  # also when the host ends
        self._start()

    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        """For each image, for each question, up to `topk` answers; a child that has ended is started again, once."""
        request, frames = {"questions": list(questions), "topk": topk}, [packed(image) for image in images]
        with self._lock:
            answers = self._exchange(request, frames)["answers"]
        return [[[Answer(text, score) for text, score in question] for question in image] for image in answers]

    def close(self) -> None:
        """Ends the child and whoever waits for it."""
        self._closed = True
        with self._lock:
            self._end()

    def _start(self) -> None:
        """Waits until the child has loaded."""
        limit = time.monotonic() + self._start_timeout
        late = f"oracle: {self.name!r} was not loaded in {self._start_timeout:g} s; generate again, or choose a smaller one"
        self._child.start(self._order)
        self._wait(self._child.connected, limit, late)
        facts = self._hear(limit, late)
        self.input_side, self.scored, self.deterministic = facts["input_side"], facts["scored"], facts["deterministic"]

    def _exchange(self, request: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
        self._look()
        started = not self._child.alive()
        if started:
            self._start()
        try:
            return self._put(request, frames)
        except _Ended as ended:
            if started or ended.status != 0:
                raise
        self._start()  # it ended, idle, just as it was asked
        return self._put(request, frames)

    def _put(self, request: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
        late = f"oracle: {self.name!r} did not answer in {self._ask_timeout:g} s; its worker starts again when next asked"
        with suppress(OSError):  # that it has gone is heard below
            send(self._child.connection, request, frames)
        return self._hear(time.monotonic() + self._ask_timeout, late)

    def _hear(self, limit: float, late: str) -> dict[str, Any]:
        """What the child says next."""
        self._wait(self._child.heard, limit, late)
        try:
            header, _ = receive(self._child.connection)
        except (EOFError, OSError):
            raise self._child.ended() from None
        if "error" in header:
            kind, text = header["error"]
            raise InputError(text) if kind == "InputError" else RuntimeError(f"the worker of {self.name}: {kind}: {text}")
        return header

    def _wait(self, ready: Callable[[float], bool], limit: float, late: str) -> None:
        """Waits with an eye on the user and the clock. Giving up ends the child: its answer would come to the next question."""
        try:
            while not ready(LOOK):
                self._look()
                if time.monotonic() > limit:
                    raise RuntimeError(late)
        except BaseException:
            self._child.end(0)
            raise

    def _look(self) -> None:
        if self._closed:
            raise RuntimeError(f"oracle: {self.name!r} was closed; load it again")
        if self._stopped is not None and self._stopped():
            raise Stopped(f"oracle: {self.name!r} was stopped")


class _Ended(RuntimeError):
    def __init__(self, name: str, status: int, line: str):
        super().__init__(f"the worker of {name} ended (exit status {status}): {line or 'it said nothing'}")
        self.status = status


class _Child:
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
        threading.Thread(target=_accept, args=(listener, self._visitors, self.alive), daemon=True).start()
        with suppress(OSError), self._process.stdin as pipe:  # that it has gone is seen by `connected`
            pipe.write(json.dumps({**order, "address": self._address, "secret": secret.hex()}).encode() + b"\n")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def connected(self, seconds: float) -> bool:
        """Waits for the process to connect. Raises _Ended."""
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

    def ended(self) -> _Ended:
        """What there is to say of the process's end."""
        self._hang_up(1.0)
        lines = (self._folder / "log").read_bytes()[-4096:].decode("utf-8", "replace").strip().split("\n")
        return _Ended(self._name, self._process.returncode, " ".join(lines[-1].split()))

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


def _accept(listener: Listener, visitors: SimpleQueue[Connection], wanted: Callable[[], bool]) -> None:
    """Lets in the one who knows the secret."""
    with listener:
        while wanted():
            with suppress(AuthenticationError, EOFError, OSError):
                visitors.put(listener.accept())
                return
