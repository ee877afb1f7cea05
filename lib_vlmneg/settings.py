"""What the user wants: one frozen record, read from a UI, an API request, an infotext or a command line, and checked once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import InputError
from .readers import Position, checked

VILT = "dandelin/vilt-b32-finetuned-vqa"
MODES = ("accumulate", "replace", "window")
PASSES = ("both", "first", "hires")
PUSHES = ("cfg", "separate")
WEBUI_ONLY = ("passes", "previews", "replay")  # the command line has one pass, and flags of its own for the others
DECODES = ("auto", "full", "tiny", "approximate", "linear")
INFOTEXT_PREFIX = "VLM Negative "


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
    only: tuple[str, ...] = option(
        (), "texts", "Only", "Of an answer only these terms are used, where it names them; none: whatever it says"
    )
    start: Position = option(0, "position", "Start", "First step that asks: a step, or a share of the run from 0.0 to 1.0")
    stop: Position = option(1.0, "position", "Stop", "The step that no longer asks: a step, or a share of the run")
    every: int = option(1, "int", "Every", "Ask at every n-th step", minimum=1, maximum=1000)
    steps: tuple[int, ...] = option((), "ints", "Steps", "Ask at exactly these steps (start, stop and every then do not count)")
    steps_of: int = option(
        0,
        "int",
        "Steps of",
        "How long the run is that the steps are of: they are scaled; 0 as they are",
        minimum=0,
        maximum=1000,
    )
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
    push: str = option(
        "cfg", "choice", "Push", "cfg: the terms join the negative prompt; separate: they have their own scale", choices=PUSHES
    )
    push_scale: float = option(
        7.5, "float", "Push scale", "How hard a separate push is; CFG's own is its scale less 1", minimum=0.0, maximum=100.0
    )
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
            object.__setattr__(self, definition.name, checked(definition.name, value, definition.metadata))
        if type(self.start) is type(self.stop) and self.start >= self.stop:
            raise InputError(f"start: {self.start} is not before stop {self.stop}; make start smaller or stop larger")
        if self.steps_of and self.steps and self.steps[-1] >= self.steps_of:
            raise InputError(f"steps: {self.steps[-1]} is no step of a run of {self.steps_of}; make steps_of larger, or 0")
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
