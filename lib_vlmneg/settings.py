"""What the user wants: one frozen record, read from a UI, an API request, an infotext or a command line, and checked once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import InputError

VILT = "dandelin/vilt-b32-finetuned-vqa"
MODES = ("accumulate", "replace", "window")
PASSES = ("both", "first", "hires")
WEBUI_ONLY = ("passes", "previews", "replay")  # the command line has one pass, and flags of its own for the others
DECODES = ("auto", "full", "tiny", "approximate", "linear")
INFOTEXT_PREFIX = "VLM Negative "

Position = int | float  # an int is a step, a float from 0.0 to 1.0 a share of the run


def option(default: Any, kind: str, label: str, text: str, **limits: Any) -> Any:
    """A field of `Settings`: its default, kind, label and explanation, and `minimum`, `maximum` or `choices`."""
    return field(default=default, metadata={"kind": kind, "label": label, "help": text, **limits})


@dataclass(frozen=True)
class Settings:
    """Everything that can be chosen for one generation. Raises InputError for a value that is not allowed."""

    enabled: bool = option(False, "bool", "Enabled", "Ask a vision-language model what it sees and steer away from it")
    questions: tuple[str, ...] = option(
        ("What is the main object in this image?",),
        "texts",
        "Questions",
        "What to ask, or presets: auto, creative, materials, design, color, safety; creative:pet names the subject",
    )
    oracle: str = option(
        VILT, "text", "Oracle", "The model that answers: a name on the Hugging Face hub, a folder, or miniature"
    )
    topk: int = option(1, "int", "Answers per question", "How many of the likeliest answers are taken", minimum=1, maximum=20)
    min_score: float = option(
        0.0, "float", "Least score", "Answers below this probability are not used", minimum=0.0, maximum=1.0
    )
    start: Position = option(0, "position", "Start", "First step that asks: a step, or a share of the run from 0.0 to 1.0")
    stop: Position = option(1.0, "position", "Stop", "The step that no longer asks: a step, or a share of the run")
    every: int = option(1, "int", "Every", "Ask at every n-th step", minimum=1, maximum=1000)
    steps: tuple[int, ...] = option((), "ints", "Steps", "Ask at exactly these steps (start, stop and every then do not count)")
    settle: int = option(
        0, "int", "Settle", "After so many asks that add nothing, ask half as often; 0 never", minimum=0, maximum=1000
    )
    lag: int = option(
        0, "int", "Lag", "Steps that go on while the oracle thinks; 0 waits for its answer", minimum=0, maximum=1000
    )
    mode: str = option(
        "accumulate", "choice", "Mode", "Keep all terms, replace them at each ask, or keep the last few", choices=MODES
    )
    window: int = option(3, "int", "Window", "How many terms the mode window keeps", minimum=1, maximum=1000)
    suffix: str = option("", "text", "Main object", "Put behind each answer: wood becomes wood building")
    weight: float = option(1.0, "float", "Weight", "Emphasis of each term, written (term:1.2)", minimum=0.0, maximum=10.0)
    max_terms: int = option(0, "int", "Most terms", "The oldest goes first; 0 for no limit", minimum=0, maximum=1000)
    max_tokens: int = option(
        0, "int", "Most tokens", "Of the negative prompt and terms; 0 for no limit", minimum=0, maximum=10000
    )
    grow: bool = option(False, "bool", "Grow", "Let the terms take more 75-token chunks than the negative prompt does")
    negate_prompt: bool = option(False, "bool", "Negate the prompt too", "Also use terms that the prompt itself asks for")
    clear_at_stop: bool = option(False, "bool", "Clear at stop", "Drop the terms at the stop step; the negative prompt stays")
    passes: str = option(
        "both", "choice", "Passes", "With hires fix: guide both passes, the first, or the hires pass", choices=PASSES
    )
    previews: bool = option(False, "bool", "Save previews", "Write the record, and a sheet of what the oracle saw")
    replay: tuple[str, ...] = option(
        (), "texts", "Timeline", "Draw again with these terms, without the oracle; comes from a picture's parameters"
    )
    decode: str = option("auto", "choice", "Decoder", "What turns the half-made picture into pixels", choices=DECODES)

    def __post_init__(self) -> None:
        for definition in fields(self):
            value = getattr(self, definition.name)
            object.__setattr__(self, definition.name, _checked(definition.name, value, definition.metadata))
        if type(self.start) is type(self.stop) and self.start >= self.stop:
            raise InputError(f"start: {self.start} is not before stop {self.stop}; make start smaller or stop larger")
        if self.enabled and not self.questions:
            raise InputError("questions: none are given; write at least one question, or the preset auto")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """From an API request: every key is optional, an unknown one is refused."""
        known = {definition.name for definition in fields(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"{name!r}: there is no such setting; the settings are {', '.join(sorted(known))}")
        return cls(**values)

    @classmethod
    def from_values(cls, values: Sequence[Any], names: Sequence[str] = ()) -> Settings:
        """From a UI: values by `names`, or in the order of the fields; texts and numbers may come as the user typed them."""
        return cls(**dict(zip(names or [definition.name for definition in fields(cls)], values)))

    @classmethod
    def from_infotext(cls, infotext: Mapping[str, str]) -> Settings:
        """From the parameters of a picture; without any of ours, or with a timeline alone, the result is off."""
        if INFOTEXT_PREFIX + "enabled" not in infotext:
            return cls()
        names = {INFOTEXT_PREFIX + definition.metadata["label"].lower(): definition.name for definition in fields(cls)}
        return cls(**{names[key]: value for key, value in infotext.items() if key in names})

    def to_infotext(self) -> dict[str, str]:
        """What differs from the defaults, by infotext key; nothing when off."""
        if not self.enabled:
            return {}
        changed = (item for item in fields(self) if repr(getattr(self, item.name)) != repr(item.default))
        return {INFOTEXT_PREFIX + item.metadata["label"].lower(): _written(getattr(self, item.name)) for item in changed}

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        values = {definition.name: getattr(self, definition.name) for definition in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def schema() -> dict[str, Any]:
    """The settings as a JSON schema (draft 2020-12), from the same definition that checks them."""
    properties = {definition.name: _property(definition) for definition in fields(Settings)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "VLM Negative",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(definition: Any) -> dict[str, Any]:
    meta = definition.metadata
    shape: dict[str, Any] = {
        "bool": {"type": "boolean"},
        "int": {"type": "integer"},
        "float": {"type": "number"},
        "text": {"type": "string"},
        "choice": {"type": "string", "enum": list(meta.get("choices", ()))},
        "texts": {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
        "ints": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "position": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0.0, "maximum": 1.0}]},
    }[meta["kind"]]
    limits = {name: meta[name] for name in ("minimum", "maximum") if name in meta}
    default = list(definition.default) if isinstance(definition.default, tuple) else definition.default
    return {**shape, **limits, "default": default, "title": meta["label"], "description": meta["help"]}


def _written(value: Any) -> str:
    return json.dumps(list(value)) if isinstance(value, tuple) else str(value)


def _checked(name: str, value: Any, meta: Mapping[str, Any]) -> Any:
    """`value` as the field's own type, or InputError."""
    value = READERS[meta["kind"]](name, value)
    if "choices" in meta and value not in meta["choices"]:
        raise InputError(f"{name}: {value!r} is not one of {', '.join(meta['choices'])}")
    if "minimum" in meta and not meta["minimum"] <= value <= meta["maximum"]:
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
    "position": position,
    "text": _text,
    "choice": _text,
    "texts": _texts,
    "ints": _ints,
}
