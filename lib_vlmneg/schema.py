"""The settings as a JSON schema: what an API request may hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from .presets import PRESETS, STEP_ONE
from .readers import AUTO
from .settings import Settings

POSITION = ({"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0.0, "maximum": 1.0})
FRACTION = r"^\s*[0-9]+/0*[1-9][0-9]*\s*$"


def schema() -> dict[str, Any]:
    """The settings as a JSON schema (draft 2020-12), from the same definition that checks them."""
    properties = {definition.name: _property(definition) for definition in fields(Settings)}
    properties["stop"]["anyOf"].append({"const": STEP_ONE})
    named = "Settings by name; what else is given wins over them"
    properties["preset"] = {"type": "string", "enum": list(PRESETS), "title": "Preset", "description": named}
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
        "auto_number": {"anyOf": [{"const": AUTO}, {"type": "number"}]},
        "text": {"type": "string"},
        "choice": {"type": "string", "enum": list(meta.get("choices", ()))},
        "texts": {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
        "steps": {"type": "array", "items": {"anyOf": [*POSITION, {"type": "string", "pattern": FRACTION}]}},
        "position": {"anyOf": [*POSITION]},
    }[meta["kind"]]
    limits = {name: meta[name] for name in ("minimum", "maximum") if name in meta}
    default = Settings().to_dict()[definition.name]
    return {**shape, **limits, "default": default, "title": meta["label"], "description": meta["help"]}
