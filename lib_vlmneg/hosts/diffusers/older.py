"""Records of version 1: what drew them had faults, so that some are drawn differently now."""

from __future__ import annotations

from typing import Any

from ...negatives import compose
from ...record import Record
from .encode import room
from .families import FAMILIES, family_of

HALF = ("float16", "bfloat16")


def differs(pipe: Any, record: Record) -> str | None:
    """Why a replay of this record does not give the same pixels; None where it does."""
    if record.version > 1:
        return None
    settings, family = record.settings, family_of(pipe)
    push = settings.get("push", "cfg")
    if settings.get("weight", 1.0) != 1.0:
        return "its terms had brackets for their weight, which the model read as words; now they have none"
    if push == "cfg" and any(0 in timeline.changes for timeline in record.timelines):
        return "its terms were not in force in the first step, as they are now"
    if push == "separate" and record.generation.get("dtype") in HALF:
        return "a separate push is now rounded in another place, which moves pixels a little"
    if not all(record.negatives) and getattr(pipe.config, "force_zeros_for_empty_prompt", False):
        return "its empty negative prompt was encoded, where diffusers has zeros for it"
    if family is FAMILIES["Qwen-Image"] and len(record.prompts) > 1:
        return "its pictures changed each other, which they no longer do"
    if family and family.reader.chunk and _longest(pipe, family, record) > family.reader.chunk:
        return "its negative prompt was cut after 75 tokens; now all of it is read"
    return None


def _longest(pipe: Any, family: Any, record: Record) -> int:
    """The tokens of the longest negative prompt, with the terms behind it."""
    count = room(pipe, family).count
    return max(
        count(compose(own, terms))
        for own, timeline in zip(record.negatives, record.timelines)
        for terms in (*timeline.changes.values(), ())
    )
