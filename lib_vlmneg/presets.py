"""Settings by name, and what a page, a request, flags, a picture or a record mean by what they leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from .errors import InputError
from .readers import unwritten
from .settings import INFOTEXT_PREFIX, Settings

DEFAULT, PAPER, CUSTOM = "Default", "Paper", "Custom"
EVERY_STEP: dict[str, Any] = {"steps": ()}  # that start, stop and every leave
RHYTHM = ("start", "stop", "every", "steps")
STEP_ONE = "step 1"

VL_DNP = {"mode": "replace", "push": "separate", "steps_of": 50}  # Chang, Kim and Choi 2025: lists of a run of 50 steps
TEN = (5, 6, 7, 9, 12, 16, 21, 27, 34, 42)
BODY = {"vocabulary": "body", "negate_prompt": True, "oracle_size": 448}
PRESETS: dict[str, dict[str, Any]] = {  # what each changes; all else is as in Default
    DEFAULT: {},
    # Golan et al. 2025: each question at every step, one answer each, which stays in the negative prompt
    PAPER: {**EVERY_STEP, "start": 0, "stop": 1.0, "every": 1, "topk": 1, "mode": "accumulate", "push": "cfg"},
    "Creative": {**EVERY_STEP, "questions": ("creative",), "every": 4, "stop": 0.6, "clear_at_stop": True},
    "Safety": {"vocabulary": "safety", "negate_prompt": True, "steps": TEN, **VL_DNP},
    "Declutter": {
        **EVERY_STEP,
        "questions": ("What else is in the image?", "What is in the background?", "What text is in the image?"),
        "start": 0.2,
        "every": 3,
        "min_score": 0.3,
        "max_terms": 6,
    },
    "Safety, VL-DNP": {**BODY, "steps": TEN, **VL_DNP},
    "Safety, VL-DNP in five asks": {**BODY, "steps": (5, 10, 20, 30, 40), **VL_DNP},
}


def preset(name: str) -> Settings:
    """The settings of that name, whole and enabled. Raises InputError."""
    return Settings(enabled=True, **_changes(name))


def chosen(given: Mapping[str, Any], base: Settings | None = None) -> Settings:
    """What a request or flags give, over what their `preset` changes, over `base` or the defaults. Raises InputError.

    The rhythm is one thing: who gives start, stop or every and no steps means these, and not the steps of preset or base; and
    steps that are given are not of the run that a preset's are of.
    """
    given = dict(given)
    named = _changes(given.pop("preset")) if "preset" in given else {}
    if any(name in given for name in RHYTHM):
        given = {**EVERY_STEP, "steps_of": 0, **given}
    return Settings.from_dict(vars(base or Settings()) | named | given)


def from_request(values: Mapping[str, Any]) -> Settings:
    """From an API request: every key is optional, `preset` is one of them. Raises InputError."""
    return chosen(_ended(values))


def from_page(values: Sequence[Any], names: Sequence[str] = ()) -> Settings:
    """From a page, which gives all: by `names`, or in the order of the fields; texts and numbers may come as they are typed."""
    return Settings.from_dict(_ended(dict(zip(names or [definition.name for definition in fields(Settings)], values))))


def from_record(values: Mapping[str, Any]) -> Settings:
    """From what a record or a picture says; where it says nothing of steps, it is of a time when every step asked."""
    return Settings.from_dict(EVERY_STEP | dict(values))


def from_infotext(infotext: Mapping[str, str]) -> Settings:
    """From the parameters of a picture; without any of ours, or with a timeline alone, the result is off."""
    if INFOTEXT_PREFIX + "enabled" not in infotext:
        return Settings()
    return from_record(_ours(infotext))


def readable(infotext: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """As from_infotext, less the fields that cannot be read: these, with what is wrong with each. Raises nothing."""
    values, wrong = _ours(infotext), {}
    while values:
        try:
            return from_record(values), wrong
        except InputError as error:
            name = str(error).partition(":")[0]
            name = name if name in values else next(iter(values))
            wrong[name] = str(error)
            del values[name]
    return Settings(), wrong


def _ours(infotext: Mapping[str, str]) -> dict[str, str]:
    named = {INFOTEXT_PREFIX + item.metadata["label"].lower(): item for item in fields(Settings)}
    return {named[key].name: unwritten(named[key], value) for key, value in infotext.items() if key in named}


def _ended(values: Mapping[str, Any]) -> dict[str, Any]:
    """`stop` as a page or JSON means it: a program in JavaScript writes 1.0 as 1, so that is the end of the run, never step 1.

    Flags, records and pictures keep the two apart, and so they are not read through this.
    """
    meant = {"1": 1.0, STEP_ONE: 1}.get(str(values.get("stop")).strip())
    return dict(values) if meant is None else {**values, "stop": meant}


def _changes(name: Any) -> dict[str, Any]:
    """What the preset of that name changes, in whatever case it is written."""
    found = {known.casefold(): changes for known, changes in PRESETS.items()}.get(str(name).strip().casefold())
    if found is None:
        raise InputError(f"preset: {name!r} is not one of {'; '.join(PRESETS)}")
    return found
