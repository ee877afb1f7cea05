"""What is of the machine, not of one picture: the settings page with the panel of the oracles, and our part of the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ...errors import InputError
from ...oracles import registry
from ...webui.api import add_routes
from ...webui.panel import panel, table_of
from . import models
from .extension import Extension
from .installation import Installation
from .options import add_options


class Administration:
    """One for each time that the script is loaded, as the extension whose oracle it frees."""

    def __init__(self, extension: Extension):
        self._extension = extension
        self._installation = Installation(extension.release)

    def add_options(self, gr: Any) -> None:
        """on_ui_settings()."""
        buttons = {
            "Free the oracle's memory": lambda: f"Freed: {self._extension.release() or 'nothing, no oracle was in memory'}",
            "Install packages for newer models": self._installed(self._installation.start),
            "Stop the installation": self._installed(self._installation.stop),
        }

        def build_panel() -> None:
            panel(gr, lambda: table_of(offers()), buttons, lambda: self._installation.state)

        add_options(gr, self._extension.release, build_panel)

    def add_routes(self, app: Any) -> None:
        """on_app_started()."""
        add_routes(app, offers, self._extension.release)

    def close(self) -> None:
        """on_script_unloaded()."""
        self._installation.stop()
        self._extension.release()

    def _installed(self, do: Callable[[], None]) -> Callable[[], str]:
        def done() -> str:
            do()
            return self._installation.state

        return done


def offers() -> list[dict[str, Any]]:
    """Which oracles can be used here and now; where the servers' JSON is wrong, what is wrong with it in their place."""
    try:
        found = registry.offers(models.means())
    except InputError as error:
        wrong = registry.Offer(registry.REMOTE, str(error), usable=False)
        found = [*registry.offers(registry.Means(packages=models.packages_folder())), wrong]
    return [asdict(offer) for offer in found]
