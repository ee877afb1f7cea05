"""What all models that transformers loads have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Turns what transformers says of a folder or id that it cannot load into an InputError of one line."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"oracle: {name!r} cannot be loaded ({reason}); give a folder, or a model for visual questions on the hub"
        ) from None


def transformers_version() -> tuple[int, int]:
    """Major and minor of the transformers that is here; (0, 0) where there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        numbers = version("transformers").split(".")
    except PackageNotFoundError:
        return 0, 0
    return int(numbers[0]), int(numbers[1])
