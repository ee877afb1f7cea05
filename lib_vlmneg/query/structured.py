"""Answers in JSON, or as Python writes it: their strings, without what a model says beside its answer."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

FLAGS = {"yes": True, "true": True, "present": True, "no": False, "false": False, "absent": False, "none": False}
_ANSWERED = (  # names of fields, the one that is likeliest the answer first
    "answer final_answer response result output label labels name names object objects class text value item items caption"
).split()
_ASIDE = re.compile(
    r"^not?_|_not_|absent|missing|exclud|denied"
    r"|reason|explanation|thought|think|rationale|analysis|note|comment|descri|detail"
    r"|confidence|score|prob|certain|count|status"
    r"|box|coord|position|location"
    r"|^id$|index|language|question|source|model|^type$",
    re.IGNORECASE,
)
_MOST_BEFORE = 60  # signs before the answer, such as "Here is the JSON:"


def strings(text: str) -> list[str] | None:
    """The strings of an answer that is a list or an object, in order; None if it is neither."""
    start = next((index for index, sign in enumerate(text) if sign in "[{"), None)
    if start is None or start > _MOST_BEFORE:
        return None
    before = text[:start].rstrip(" \t")
    if before.strip() and not before.endswith((":", "\n")):
        return None
    value = _read(text[start : max(text.rfind("]"), text.rfind("}")) + 1])
    return [said for said in _said(value) if said.strip()] if isinstance(value, (dict, list, set)) else None


def _read(body: str) -> Any:
    """The value of a text in JSON or Python; None if it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a stray backslash is no fault of ours
                return read(body)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, set, tuple)):
        for item in value:
            yield from _said(item)
    elif isinstance(value, dict):
        yield from _fields(value)


def _fields(value: dict[Any, Any]) -> Iterator[str]:
    """The field of an object that is named like an answer, or else all that are no aside; the names of flags that are set."""
    named = {str(name).lower(): item for name, item in value.items()}
    if named and all(isinstance(item, (bool, int, float)) or str(item).lower() in FLAGS for item in named.values()):
        yield from (str(name) for name, item in value.items() if FLAGS.get(str(item).lower(), item) and name not in _ANSWERED)
        return
    answers = [named[name] for name in _ANSWERED if name in named]
    for item in answers[:1] or [item for name, item in named.items() if not _ASIDE.search(name)]:
        yield from _said(item)
