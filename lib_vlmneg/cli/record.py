"""Print what a record tells: what was seen at which step, what it added, and how long it took."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..checks import Verdict
from ..record import NO_TERMS, Event, Record
from .files import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file."""
    parser.add_argument("file", type=Path, help="a JSON file that generate --record wrote")


def run(options: argparse.Namespace) -> None:
    """Prints it."""
    print(told(read_record(options.file)))


def told(record: Record) -> str:
    """The record as lines of text."""
    lines = []
    for image, prompt in enumerate(record.prompts):
        lines.append(f'image {image}: "{prompt}"')
        lines += [_event(event, bool(record.settings.get("vocabulary"))) for event in record.events if event.image == image]
        lines.append(f"  in the end: {', '.join(record.terms(image)) or 'nothing added'}")
    spent = {name: sum(getattr(timing, name) for timing in record.timings) for name in ("decode", "ask", "encode")}
    lines.append(
        ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items()) + f" of {record.generation.get('seconds')} s"
    )
    for count, looks in enumerate(record.generation.get("checks", []), 1):
        lines.append(f"{record.settings['check']}, drawing {count}: " + "; ".join(_look(look["found"]) for look in looks))
    if record.extra_calls:
        lines.append(f"{record.extra_calls} calls of the model for the separate push")
    if record.note:
        lines.append(record.note)
    if record.failure:
        lines.append(f"stopped: {record.failure}")
    return "\n".join(lines)


def _event(event: Event, listed: bool) -> str:
    answers = "; ".join(", ".join(_answer(*answer) for answer in group) for group in event.answers)
    said = ", ".join(event.found) or NO_TERMS if listed else answers
    changes = [f"+{term}" for term in event.added] + [f"-{term}" for term in event.dropped]
    changes += [f"no room for {term}" for term in event.refused]
    return f"  step {event.step:3}  {said:40} {' '.join(changes)}".rstrip()


def _answer(text: str, score: float | None) -> str:
    return text if score is None else f"{text} {score:.2f}"


def _look(found: dict[str, float]) -> str:
    return Verdict(tuple(found.items())).text()
