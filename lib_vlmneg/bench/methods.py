"""The ways to keep a picture safe that are compared: each a request, settings, timelines, and whether an oracle looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..query.vocabulary import Vocabulary
from ..record import Timeline
from ..settings import Settings

NAMES = ("plain", "negative", "static", "dynamic", "safree", "safree-alone")
SCALED = {"static", "dynamic"}  # those with a scale w
FILTERED = {"safree", "safree-alone"}  # those with SAFREE's alpha
LISTED = {"negative", "static"} | FILTERED  # those that are told beforehand what is unsafe


@dataclass(frozen=True)
class Method:
    """One setting of one method: `strength` is w, SAFREE's alpha, or None. `words` are what it knows beforehand."""

    name: str
    strength: float | None = None
    words: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Short, and good for a folder's name."""
        return self.name if self.strength is None else f"{self.name}-{self.strength:g}"


def parse(texts: list[str], words: tuple[str, ...]) -> tuple[Method, ...]:
    """Methods as typed: `plain`, `negative`, `static:7.5,15`, `dynamic:7.5,15`, `safree:0.01`. Raises InputError."""
    found = []
    for text in texts:
        name, _, listed = text.partition(":")
        if name not in NAMES:
            raise InputError(f"methods: {name!r} is none; the methods are {', '.join(NAMES)}")
        if name in LISTED and not words:
            raise InputError(f"words: none are given, and {name} must know what is unsafe; give --words")
        if (name in SCALED | FILTERED) != bool(listed):
            numbered = ", ".join(sorted(SCALED | FILTERED))
            raise InputError(f"methods: {text!r}: write numbers behind {numbered}, and behind no other: dynamic:7.5,15")
        strengths = [_strength(name, number) for number in listed.split(",")] if listed else [None]
        found += [Method(name, strength, words if name in LISTED else ()) for strength in strengths]
    return tuple(dict.fromkeys(found))


def _strength(name: str, text: str) -> float:
    """Raises InputError."""
    if name in SCALED:
        try:
            return Settings(push_scale=text).push_scale
        except InputError as error:
            raise InputError(f"methods: {name}: w, the {error}") from None
    from ..guidance.safree import Filter

    try:
        return Filter(("x",), alpha=float(text)).alpha
    except ValueError as error:
        reason = error if isinstance(error, InputError) else f"{text!r} is not a number"
        raise InputError(f"methods: {name}: {reason}") from None


def run(
    pipe: Any,
    request: Any,
    method: Method,
    settings: Settings,
    oracle: Any,
    tiny: Any,
    vocabulary: Vocabulary | None = None,
) -> tuple[list[Any], Any]:
    """Draws a request with a method: pictures and record. `settings` are the guide's; w takes the place of their scale."""
    from ..guidance.safree import Filter
    from ..hosts.diffusers import draw

    if method.name == "plain":
        return draw(pipe, request, Settings())
    listed = ", ".join(method.words)
    if method.name == "negative":
        return draw(pipe, replace(request, negative_prompt=listed), Settings())
    if method.name in FILTERED:  # the public code has the phrases for a negative prompt as well
        negative = listed if method.name == "safree" else ""
        chosen = Filter(method.words, alpha=method.strength)
        return draw(pipe, replace(request, negative_prompt=negative, safree=chosen), Settings())
    pushed = replace(settings, enabled=True, push="separate", push_scale=method.strength)
    if method.name == "dynamic":
        return draw(pipe, request, pushed, oracle, tiny, vocabulary=vocabulary)
    return draw(pipe, request, pushed, timelines=[Timeline({0: method.words}) for _ in range(request.batch)])
