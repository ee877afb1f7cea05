"""An oracle in a process of its own, with newer packages than the host's: the host keeps its own, and can be interrupted."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import InputError
from .base import Answer, Oracle
from .child import Child, Ended
from .prompting import Prompting, told
from .stopped import Stopped
from .worker_main import FACTS, packed

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
        self._lock, self._closed, self._child = threading.Lock(), False, Child(name)
        self._end = weakref.finalize(self, self._child.end)  # also when the host ends
        self._start()

    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, up to `topk` answers; a child that has ended is started again, once."""
        request = {"questions": list(questions), "topk": topk}
        shown = list(images)
        if prompting:
            request["prompting"] = told(prompting)
            shown += [image for image, _, _ in prompting.examples]
        frames = [packed(image) for image in shown]
        with self._lock:
            said = self._exchange(request, frames)
            with self._understood():
                return [[[Answer(text, score) for text, score in question] for question in image] for image in said["answers"]]

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
        facts = self._hear(limit, late)
        with self._understood():
            self.input_side, self.scored, self.chats, self.deterministic = (facts[name] for name in FACTS)

    def _exchange(self, request: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
        self._look()
        started = not self._child.alive()
        if started:
            self._start()
        try:
            return self._put(request, frames)
        except Ended as ended:
            if started or ended.status != 0:
                raise
        self._start()  # it ended, idle, just as it was asked
        return self._put(request, frames)

    def _put(self, request: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
        late = f"oracle: {self.name!r} did not answer in {self._ask_timeout:g} s; its worker starts again when next asked"
        self._child.line.ask(request, frames)
        return self._hear(time.monotonic() + self._ask_timeout, late)

    def _hear(self, limit: float, late: str) -> dict[str, Any]:
        """What the child says next, with an eye on the user and the clock."""
        with self._understood():
            while (header := self._child.heard(LOOK)) is None:
                self._look()
                if time.monotonic() > limit:
                    raise RuntimeError(late)
            kind, text = header.get("error", ("", ""))
        if kind:
            raise InputError(text) if kind == "InputError" else RuntimeError(f"the worker of {self.name}: {kind}: {text}")
        return header

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """To give up on an answer, or not to understand it, ends the child: it would come to the next question."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError):
            self._child.end(0)
            raise RuntimeError(f"the worker of {self.name} says what is no answer; it starts again when next asked") from None
        except BaseException:
            self._child.end(0)
            raise

    def _look(self) -> None:
        if self._closed:
            raise RuntimeError(f"oracle: {self.name!r} was closed; load it again")
        if self._stopped is not None and self._stopped():
            raise Stopped(f"oracle: {self.name!r} was stopped")
