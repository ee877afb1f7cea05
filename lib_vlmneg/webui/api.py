"""What programs can do beside drawing: see which oracles can be used, and free the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PATH = "/vlm-negative"
GUARDED = "/sdapi/v1/progress"  # a route of the host's API, whose guard is ours too


def add_routes(app: Any, offers: Callable[[], list[dict[str, Any]]], release: Callable[[], str]) -> None:
    """Adds GET oracles and POST release to the host's API, behind the host's own password; nothing where the API is off."""
    api = next((route for route in app.routes if getattr(route, "path", "") == GUARDED), None)
    if api is None:
        return

    def oracles() -> list[dict[str, Any]]:
        return offers()

    def free() -> dict[str, str]:
        return {"released": release()}

    app.add_api_route(f"{PATH}/oracles", oracles, methods=["GET"], dependencies=api.dependencies)
    app.add_api_route(f"{PATH}/release", free, methods=["POST"], dependencies=api.dependencies)
