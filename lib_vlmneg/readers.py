"""The readers of values: what a UI, an API request or a command line gave, as the setting's own type, or InputError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InputError

Position = int | float  # an int is a step, a float from 0.0 to 1.0 a share of the run
AUTO = "auto"


def checked(name: str, value: Any, meta: Mapping[str, Any]) -> Any:
    """`value` as the field's own type, or InputError."""
    value = READERS[meta["kind"]](name, value)
    if "choices" in meta and value not in meta["choices"]:
        raise InputError(f"{name}: {value!r} is not one of {', '.join(meta['choices'])}")
    if "minimum" in meta and value != AUTO and not meta["minimum"] <= value <= meta["maximum"]:
        raise InputError(f"{name}: {value} is outside {meta['minimum']} to {meta['maximum']}")
    return value


def _bool(name: str, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise InputError(f"{name}: {value!r} is not true or false")
    return value


def _int(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number):
        raise InputError(f"{name}: {value!r} is not a whole number; leave the fraction out")
    return int(number)


def _number(name: str, value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: {value!r} is not a number; write one in digits")
    return number


def _auto_number(name: str, value: Any) -> float | str:
    if isinstance(value, str) and value.strip().lower() in ("", AUTO):
        return AUTO
    try:
        return _number(name, value)
    except InputError:
        raise InputError(f"{name}: {value!r} is not a number; write one in digits, or {AUTO}") from None


def or_auto(value: float | str, auto: float) -> float:
    """The number that was chosen; `auto` where none was."""
    return auto if value == AUTO else float(value)


def position(name: str, value: Any) -> Position:
    """A step (int) or a share of the run (float from 0.0 to 1.0); a text with a point is a share."""
    number = _number(name, value)
    whole = isinstance(value, int) or (isinstance(value, str) and not set(value.lower()) & set(".e"))
    if whole:
        if number < 0:
            raise InputError(f"{name}: {value!r} is below 0; give a step from 0, or a share from 0.0 to 1.0")
        return int(number)
    if not 0.0 <= number <= 1.0:
        raise InputError(f"{name}: {value!r} is not a share from 0.0 to 1.0; a step is written without a point")
    return number


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: {value!r} is not a text; put it in quotes")
    return value.strip()


def _items(name: str, value: Any) -> list[Any]:
    """A list, or a text that is a JSON list or has one item a line."""
    if not isinstance(value, str):
        if not isinstance(value, Sequence):
            raise InputError(f"{name}: {value!r} is not a list; put it in square brackets")
        return list(value)
    if value.lstrip().startswith("["):
        try:
            return list(json.loads(value))
        except ValueError:
            raise InputError(f"{name}: {value!r} is not a JSON list") from None
    return [line for line in value.splitlines() if line.strip()]


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = tuple(_text(name, item) for item in _items(name, value))
    if "" in texts:
        raise InputError(f"{name}: question {texts.index('') + 1} is empty; write a question or leave it out")
    return texts


def _ints(name: str, value: Any) -> tuple[int, ...]:
    items = (
        value.replace(",", " ").split()
        if isinstance(value, str) and not value.lstrip().startswith("[")
        else _items(name, value)
    )
    steps = tuple(sorted({_int(name, item) for item in items}))
    if steps and steps[0] < 0:
        raise InputError(f"{name}: {steps[0]} is below 0; steps are counted from 0")
    return steps


READERS = {
    "bool": _bool,
    "int": _int,
    "float": _number,
    "auto_number": _auto_number,
    "position": position,
    "text": _text,
    "choice": _text,
    "texts": _texts,
    "ints": _ints,
}
