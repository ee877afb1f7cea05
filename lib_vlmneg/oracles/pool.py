"""One oracle in memory, shared by all who ask for it, and let go on demand or when nobody has used it for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import torch

from .base import Oracle

Load = Callable[[str, str, str], Oracle]


class Pool:
    """Keeps the oracle that was asked for last. `load` makes one from name, device and dtype.

    `idle` says after how many seconds without `get` or `touch` it is let go, 0 for never; while `busy` it is not. `freed` is
    called whenever one was let go.
    """

    def __init__(
        self,
        load: Load,
        idle: Callable[[], float] = lambda: 0.0,
        busy: Callable[[], bool] = lambda: False,
        freed: Callable[[], None] = lambda: None,
    ):
        self._load, self._idle, self._busy, self._freed = load, idle, busy, freed
        self._lock = threading.RLock()
        self._kept: tuple[tuple[str, str, str], Oracle] | None = None
        self._used = 0.0
        self._timer: threading.Timer | None = None

    @property
    def name(self) -> str:
        """The oracle that is in memory; empty for none."""
        kept = self._kept
        return kept[0][0] if kept else ""

    def get(self, name: str, device: str = "auto", dtype: str = "auto") -> Oracle:
        """The oracle of that name, loaded if it is not the one that is kept. Raises InputError."""
        wanted = (name, device, dtype)
        with self._lock:
            if self._kept is None or self._kept[0] != wanted:
                self.release()  # before the next is loaded: two may not fit
                with torch.random.fork_rng(devices=[]):  # a new model is filled with random numbers, which are the host's
                    self._kept = (wanted, self._load(*wanted))
            self.touch()
            return self._kept[1]

    def touch(self) -> None:
        """Says that it was just used."""
        self._used, idle = time.monotonic(), self._idle()
        if self._timer is None or self._timer.interval > idle:  # one that is under way looks in time by itself
            self._wait(idle)

    def release(self) -> None:
        """Lets go of the oracle; its memory is free once no picture uses it any more."""
        with self._lock:
            self._end_timer()
            if self._kept is not None:
                kept, self._kept = self._kept[1], None
                kept.close()
                del kept
                self._freed()

    def _wait(self, seconds: float) -> None:
        self._end_timer()
        if self._kept is not None and seconds > 0:
            self._timer = threading.Timer(seconds, self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        """Lets it go, if its time has come."""
        with self._lock:
            idle, rested = self._idle(), time.monotonic() - self._used
            if idle > 0 and rested >= idle and not self._busy():
                self.release()
            else:
                self._wait(idle - rested if rested < idle else idle)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
