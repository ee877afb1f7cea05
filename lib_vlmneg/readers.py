"""The readers of values: what a UI, an API request or a command line gave, as the setting's own type, or InputError."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .errors import InputError

Position = int | float  # an int is a step, a float from 0.0 to 1.0 a share of the run
Moment = Position | Fraction  # a share may be written as 1/3 too
AUTO = "auto"
_JSON_LIST = re.compile(r"""\s*\[\s*(?:\]|["'\d-])""")  # a question may begin with a bracket, too


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
    if value is None or value == "":
        raise InputError(f"{name}: {value!r} is empty; write a number")
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
    if _JSON_LIST.match(value):
        try:
            return list(json.loads(value))
        except ValueError:
            raise InputError(f"{name}: {value!r} is not a JSON list") from None
    return [line for line in value.splitlines() if line.strip()]


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = tuple(_text(name, item) for item in _items(name, value))
    if "" in texts:
        thing = "question" if name == "questions" else "line"
        raise InputError(f"{name}: {thing} {texts.index('') + 1} is empty; write a {thing} or leave it out")
    return texts


def _steps(name: str, value: Any) -> tuple[Moment, ...]:
    """Steps and shares in the order given, each once. A step's place among the shares is known only with the run's length."""
    typed = isinstance(value, str) and not value.lstrip().startswith("[")
    items = re.sub(r"\s*/\s*", "/", value).replace(",", " ").split() if typed else _items(name, value)
    moments = [_moment(name, item) for item in items]
    for sort in (whole_steps(moments), [moment for moment in moments if not isinstance(moment, int)]):
        for earlier, later in pairwise(sort):
            if later < earlier:
                raise InputError(f"{name}: {earlier} is not before {later}; write them in order")
    return tuple({(isinstance(moment, int), moment): moment for moment in moments}.values())  # step 1 is not the share 1.0


def _moment(name: str, value: Any) -> Moment:
    if not isinstance(value, Fraction) and not (isinstance(value, str) and "/" in value):
        return position(name, value)
    try:
        share = Fraction(value)
    except ZeroDivisionError:
        raise InputError(f"{name}: {value!r} divides by 0; write a share as 1/3") from None
    except ValueError:
        raise InputError(f"{name}: {value!r} is not a share; write one as 1/3, or a step in digits") from None
    if not 0 <= share <= 1:
        raise InputError(f"{name}: {str(value)!r} is not a share from 0 to 1; write one as 1/3, or a step in digits")
    return float(share) if share.denominator == 1 else share  # its text would be read as a step


def whole_steps(moments: Sequence[Moment]) -> list[int]:
    """Those that are steps, not shares of the run."""
    return [moment for moment in moments if isinstance(moment, int)]


def typed_steps(moments: Sequence[Moment]) -> str:
    """As a user types them: 0, 1/3."""
    return ", ".join(map(str, moments))


# what AUTOMATIC1111 takes apart when it reads an infotext: quotes around a value, and a size (infotext_utils.py:271)
_AMBIGUOUS = re.compile(r'".*|\[.*|\d+x\d+', re.DOTALL)


def written(definition: Any, value: Any) -> str:
    """As an infotext says it. Never empty: AUTOMATIC1111 does not read an entry without a value."""
    if definition.name == "steps" and value:
        return typed_steps(value)
    if isinstance(value, str) and _AMBIGUOUS.fullmatch(value):
        return json.dumps([value])
    return json.dumps(list(value)) if isinstance(value, tuple) else str(value)


def unwritten(definition: Any, value: str) -> str:
    """What an infotext says, as it was before it was written."""
    if definition.metadata["kind"] == "text" and value.startswith('["'):
        try:
            return json.loads(value)[0]
        except ValueError:
            return value
    return value


READERS = {
    "bool": _bool,
    "int": _int,
    "float": _number,
    "auto_number": _auto_number,
    "position": position,
    "text": _text,
    "choice": _text,
    "texts": _texts,
    "steps": _steps,
}
