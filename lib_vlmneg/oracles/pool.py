"""One oracle in memory, shared by all who ask for it, and let go on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch

from .base import Oracle

Load = Callable[[str, str, str], Oracle]


class Pool:
    """Keeps the oracle that was asked for last. `load` makes one from name, device and dtype."""

    def __init__(self, load: Load):
        self._load = load
        self._lock = threading.Lock()
        self._kept: tuple[tuple[str, str, str], Oracle] | None = None

    def get(self, name: str, device: str = "auto", dtype: str = "auto") -> Oracle:
        """The oracle of that name, loaded if it is not the one that is kept. Raises InputError."""
        wanted = (name, device, dtype)
        with self._lock:
            if self._kept is None or self._kept[0] != wanted:
                self._let_go()  # before the next is loaded: two may not fit
                with torch.random.fork_rng(devices=[]):  # a new model is filled with random numbers, which are the host's
                    self._kept = (wanted, self._load(*wanted))
            return self._kept[1]

    def release(self) -> None:
        """Lets go of the oracle; its memory is free once no picture uses it any more."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
        self._kept = None
