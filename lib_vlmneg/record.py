"""What happened: asked, answered, added, when and how long; enough of it to draw the same picture again without an oracle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import InputError
from .presets import from_record
from .settings import INFOTEXT_PREFIX

SCHEMA = "vlm-negative-record"
VERSION = 2
READ = (1, VERSION)
TIMELINE = INFOTEXT_PREFIX + "timeline"
FOUND = INFOTEXT_PREFIX + "found"
REPLAYED = INFOTEXT_PREFIX + "replayed"
NOTE = INFOTEXT_PREFIX + "note"  # what went wrong, or what the user should know
PASS_BREAK, NO_TERMS = " / ", "none"


class Timeline:
    """The terms in force for one image, step by step."""

    def __init__(self, changes: Mapping[int, tuple[str, ...]] | None = None):
        self.changes: dict[int, tuple[str, ...]] = dict(changes or {})

    def at(self, step: int) -> tuple[str, ...]:
        """The terms that act at this step."""
        return self.changes[max(begun)] if (begun := [start for start in self.changes if start <= step]) else ()

    @property
    def final(self) -> tuple[str, ...]:
        """The terms that act in the end."""
        return self.at(max(self.changes, default=0))

    def compact(self) -> str:
        """Short enough for an infotext: "1:+dog|4:+big cat,-dog" is a dog from step 1, a big cat in its place from step 4."""
        parts, before = [], ()
        for start, terms in sorted(self.changes.items()):
            signs = [f"+{term}" for term in terms if term not in before] + [f"-{term}" for term in before if term not in terms]
            if (*(term for term in before if term in terms), *(term for term in terms if term not in before)) != terms:
                signs = [f"+{term}" for term in terms] + [f"-{term}" for term in before]  # the order changes too
            if signs:
                parts.append(f"{start}:{','.join(signs)}")
            before = terms
        return "|".join(parts)

    @classmethod
    def parse(cls, compact: str) -> Timeline:
        """The other way. Raises InputError."""
        timeline, terms = cls(), ()
        for part in filter(None, compact.split("|")):
            if not (match := re.fullmatch(r"(\d+):([+-][^,]+(?:,[+-][^,]+)*)", part)):
                raise InputError(f"timeline: {part!r} is not like 1:+dog,-cat; copy it from the picture's parameters unchanged")
            signs = match[2].split(",")
            gone = {sign[1:] for sign in signs if sign[0] == "-"}
            terms = (*(term for term in terms if term not in gone), *(sign[1:] for sign in signs if sign[0] == "+"))
            timeline.changes[int(match[1])] = terms
        return timeline


def join_passes(timelines: Sequence[Timeline]) -> str:
    """The timelines of one picture's passes (first, hires) as one text; "none" where no term was ever in force."""
    return PASS_BREAK.join(timeline.compact() for timeline in timelines).rstrip(PASS_BREAK) or NO_TERMS


def split_passes(text: str) -> list[Timeline]:
    """The other way. Raises InputError."""
    text = "" if text.strip() == NO_TERMS else text
    return [Timeline.parse(part.strip()) for part in text.split(PASS_BREAK.strip())]


@dataclass(frozen=True)
class Event:
    """One image asked about at one step. `answers`: for each question its answers, likeliest first: (text, score or None)."""

    step: int
    image: int
    sigma: float | None
    questions: tuple[str, ...]
    answers: tuple[tuple[tuple[str, float | None], ...], ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    refused: tuple[str, ...]
    negative: str
    found: tuple[str, ...] = ()  # what the answers came to; older records have none


@dataclass
class Timing:
    """Seconds spent at one step, for the whole batch."""

    step: int
    decode: float = 0.0
    ask: float = 0.0
    encode: float = 0.0


@dataclass
class Record:
    """One generation. `generation` is what the host says of it (seed, steps, size, model).

    `extra_calls` counts what a separate push had the model evaluate beside the host's own: the negative, and the null where
    the host leaves it out, each for the whole batch. `reached` counts for each image the model calls in which a push gave its
    rows another text; records of version 1 have none. `note` is what the user should know, though nothing failed.
    """

    settings: dict[str, Any]
    prompts: tuple[str, ...]
    negatives: tuple[str, ...]
    timelines: list[Timeline]
    generation: dict[str, Any] = field(default_factory=dict)
    oracle: str = ""
    events: list[Event] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    extra_calls: int = 0
    reached: list[int] = field(default_factory=list)
    failure: str | None = None
    note: str = ""
    version: int = VERSION

    def to_json(self) -> str:
        """The record as JSON, two blanks deep."""
        body = {
            "schema": SCHEMA,
            "version": VERSION,
            "oracle": self.oracle,
            "settings": self.settings,
            "generation": self.generation,
            "prompts": list(self.prompts),
            "negatives": list(self.negatives),
            "timelines": [timeline.compact() for timeline in self.timelines],
            "events": [asdict(event) for event in self.events],
            "timings": [asdict(timing) for timing in self.timings],
            "extra_calls": self.extra_calls,
            "reached": self.reached,
            "failure": self.failure,
            "note": self.note,
        }
        return json.dumps(body, indent=2)

    @classmethod
    def from_json(cls, text: str, name: str = "record") -> Record:
        """A record as it was written; `name` is what messages call it. Raises InputError."""
        try:
            body = json.loads(text)
            if body["schema"] != SCHEMA:
                raise KeyError(body["schema"])
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{name}: this is no record of ours; give a file that --record wrote") from None
        if body.get("version") not in READ:
            raise InputError(
                f"{name}: the record has version {body.get('version')}, this program reads {VERSION}; record it again"
            )
        try:
            return cls._from_body(body)
        except InputError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{name}: the record is damaged at {error}; record it again") from None

    @classmethod
    def _from_body(cls, body: dict[str, Any]) -> Record:
        for name in ("prompts", "negatives", "timelines"):
            if not isinstance(body[name], list) or not all(isinstance(text, str) for text in body[name]):
                raise TypeError(name)
            if len(body[name]) != len(body["prompts"]):
                raise ValueError(name)
        for name in ("settings", "generation"):
            if not isinstance(body[name], dict):
                raise TypeError(name)
        return cls(
            settings=dict(body["settings"]),
            prompts=tuple(body["prompts"]),
            negatives=tuple(body["negatives"]),
            timelines=[Timeline.parse(compact) for compact in body["timelines"]],
            generation=dict(body["generation"]),
            oracle=body["oracle"],
            events=[Event(**{name: _tuples(value) for name, value in event.items()}) for event in body["events"]],
            timings=[Timing(**timing) for timing in body["timings"]],
            extra_calls=body.get("extra_calls", 0),  # older records have none
            reached=list(body.get("reached", ())),
            failure=body["failure"],
            note=body.get("note", ""),
            version=body["version"],
        )

    def timing(self, step: int) -> Timing:
        """The seconds of this step, to be added to."""
        found = next((timing for timing in reversed(self.timings) if timing.step == step), None)
        if found is None:
            self.timings.append(found := Timing(step))
        return found

    def infotext(self, image: int) -> dict[str, str]:
        """What goes into the parameters of one picture: the settings, and the terms step by step. Nothing when off."""
        settings = from_record(self.settings).to_infotext()
        found = {FOUND: self.found(image)} if self.settings.get("vocabulary") and self.events else {}
        return settings | {TIMELINE: join_passes([self.timelines[image]])} | found if settings else {}

    def found(self, image: int) -> str:
        """What was found at which step: "5:dagger|9:dagger,hat"; "none" where nothing was."""
        seen = [f"{event.step}:{','.join(event.found)}" for event in self.events if event.image == image and event.found]
        return "|".join(seen) or NO_TERMS

    def terms(self, image: int) -> tuple[str, ...]:
        """All terms ever in force for one image, in the order they came."""
        changes = sorted(self.timelines[image].changes.items())
        return tuple(dict.fromkeys(term for _, terms in changes for term in terms))


def _tuples(value: Any) -> Any:
    return (
        tuple(_tuples(item) for item in value) if isinstance(value, Iterable) and not isinstance(value, (str, dict)) else value
    )
