"""Newer packages for a worker, put into a folder of ours by a button: one installation at a time, seen and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

from modules import shared

from ...errors import InputError
from ...oracles.packages import install
from ...oracles.stopped import Stopped
from . import models

UNDER_WAY = "Installing"  # how the state begins for as long as it goes on; the page's script reads it
REFUSED = "The WebUI was started with --listen or --share: add --enable-insecure-extension-access to install from this page."


class Installation:
    """`state` is one line for the page. `release` lets go of an oracle, whose worker may hold the folder's files open."""

    def __init__(self, release: Callable[[], None]):
        self.state = ""
        self._release = release
        self._stop, self._thread = threading.Event(), None

    def start(self) -> None:
        """Begins, if none is under way; the rest goes on in a thread."""
        if self._thread is not None and self._thread.is_alive():
            return
        if shared.cmd_opts.disable_extension_access:
            self.state = REFUSED
            return
        self._stop.clear()
        self._show("pip starts")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it within a second; what was there before stays."""
        self._stop.set()

    def _run(self) -> None:
        folder = models.packages_folder()
        try:
            self._release()
            install(folder, self._show, self._stop.is_set)
            self.state = f"Newer models can be used now, with the packages in {folder}."
        except (InputError, Stopped) as error:
            self.state = f"{error}."
        except Exception as error:
            self.state = f"The installation failed: {type(error).__name__}: {error}"

    def _show(self, line: str) -> None:
        self.state = f"{UNDER_WAY}: {line}"
