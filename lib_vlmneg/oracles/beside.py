"""Asks in a thread of its own, so that sampling can go on meanwhile, and the user can go on at once when he stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from PIL import Image

from . import spare
from .base import Answer, Oracle
from .prompting import Prompting
from .stopped import Stopped

LOOK = 0.1  # seconds between two looks at whether to stop
Replies = list[list[list[Answer]]]


class Beside:
    """One question after the other; on a GPU in a stream of its own. `stopped` says whether the user wants no more."""

    def __init__(self, oracle: Oracle, stopped: Callable[[], bool] | None = None):
        self.oracle = oracle
        self._stopped = stopped or (lambda: False)
        self._asked: list[Future[Any]] = []

    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> Future[tuple[Replies, float]]:
        """What will be the answers, and the seconds that they took."""
        self.oracle.prepare()  # here and not there: it may move models, which the sampler must not meet half-way
        self._asked.append(self.oracle.thread.submit(self._timed, images, questions, topk, prompting))
        return self._asked[-1]

    def result(self, future: Future[Any]) -> Any:
        """Waits for it. Raises what the oracle raised, or Stopped within LOOK seconds of the user's wish."""
        while not wait([future], timeout=LOOK).done:
            if self._stopped():
                self.cancel()
                raise Stopped("the user stopped it")
        return future.result()

    def cancel(self) -> None:
        """What was not begun is never asked."""
        for future in self._asked:
            future.cancel()

    def _timed(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None
    ) -> tuple[Replies, float]:
        began = time.perf_counter()
        with _stream(getattr(self.oracle, "device", None)):
            replies = spare.ask(self.oracle, images, questions, topk, prompting)
        return replies, time.perf_counter() - began


def _stream(device: torch.device | None) -> AbstractContextManager[Any]:
    cuda = device is not None and torch.device(device).type == "cuda"
    return torch.cuda.stream(torch.cuda.Stream(device)) if cuda else nullcontext()
