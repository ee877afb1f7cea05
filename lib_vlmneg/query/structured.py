"""Answers in JSON, or as Python writes it: their strings, without what a model says beside its answer."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

FLAGS = {
    **dict.fromkeys(("yes", "true", "present", "visible", "found", "detected"), True),
    **dict.fromkeys(("no", "false", "absent", "none", "not present", "not visible", "not found", "not detected"), False),
}
_ANSWERED = (  # names of fields, the one that is likeliest the answer first
    "answer final_answer choices candidates message response result output content parts generated_text output_text"
    " label labels name names object objects class text value item items caption"
).split()
_THINGS = "label name object class text item thing term element".split()
_THERE = re.compile(
    r"(?:is_|are_|was_)?(?:present|presence|visible|visibility|detected|found|exists?|seen|there|spotted|shown|included|in_image"
    r"|in_picture|in_photo|in_scene)(?:_in_(?:the_)?(?:image|picture|photo|scene))?"
)
_VERDICT = re.compile(
    r"answer|response|result|output|value|status|state|verdict|prediction|match"
)  # of a thing, if it is a flag
_ASIDE = re.compile(
    r"^not?_|_not_|absent|missing|exclud|denied"
    r"|reason|explanation|thought|think|rationale|analysis|note|comment|descri|detail"
    r"|confidence|score|prob|certain|count|status"
    r"|box|coord|position|location"
    r"|^id$|index|language|question|source|model|^type$"
    r"|^role$|reason|created|usage|token|logprobs|^done$|^ok$|success|^width$|^height$|^area$|^time|version",
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
    if not isinstance(value, (dict, list, set)):
        return None
    found = [inner for said in _said(value) if said.strip() for inner in strings(said) or [said]]
    return found if found or text.rstrip().endswith(("]", "}", "`")) else None


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
    value = {name: _presence(item) for name, item in value.items()}
    named = {str(name).lower(): item for name, item in value.items()}
    if named and all(isinstance(item, (bool, int, float)) or str(item).lower() in FLAGS for item in named.values()):
        yield from (str(name) for name, item in value.items() if _flag(item) and name not in _ANSWERED)
        return
    if any(name in _THINGS for name in named) and (flags := list(filter(partial(_verdict, named), named))):
        if all(_flag(named[name]) for name in flags):
            yield from _said(next(named[name] for name in _THINGS if name in named))
        return
    answers = [named[name] for name in _ANSWERED if name in named]
    for item in answers[:1] or [item for name, item in named.items() if not _ASIDE.search(name)]:
        yield from _said(item)


def _presence(item: Any) -> Any:
    """The flag in an object that only says whether a thing is there, and how surely."""
    flags = [flag for name, flag in item.items() if _THERE.fullmatch(str(name).lower())] if isinstance(item, dict) else []
    return flags[0] if flags and not any(str(name).lower() in _THINGS for name in item) else item


def _flag(item: Any) -> bool:
    return bool(FLAGS.get(str(item).lower(), item))


def _verdict(named: dict[str, Any], name: str) -> bool:
    """Whether a field of an object says if the thing that another field names is there."""
    flag = isinstance(named[name], bool) or str(named[name]).lower() in FLAGS
    return flag and bool(_THERE.fullmatch(name) or (_VERDICT.fullmatch(name) and name not in _THINGS))
