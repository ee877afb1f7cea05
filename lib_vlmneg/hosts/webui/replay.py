"""Timelines that are replayed: which picture and pass each part is of, and what has no place in a generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...record import Timeline
from . import host

Replayed = Sequence[Sequence[Timeline]]  # a picture's passes, picture by picture; a single picture's serve all


def misfit(p: Any, replayed: Replayed) -> str | None:
    """What of the timelines has no place in this generation; None where all has."""
    pictures, there = p.n_iter * p.batch_size, 1 + bool(getattr(p, "enable_hr", False))
    left = []
    if len(replayed) > pictures:
        left.append(f"{len(replayed)} are given for {pictures}")
    if any(len(passes) > there for passes in replayed):
        left.append("one has a part for a pass that is not there")
    late = [step for passes in replayed for steps, each in zip(_steps(p), passes) for step in _late(each, steps)]
    if late:
        left.append(f"step {late[0]} is past the end of the run")
    return f"timeline: {', '.join(left)}; what has no place here is left out" if left else None


def of_pass(p: Any, replayed: Replayed, iteration: int, hires: bool) -> list[Timeline]:
    """What acts in a pass, one timeline an image of its batch; [] where nothing is replayed."""
    if not replayed:
        return []
    first, steps = iteration * p.batch_size, _steps(p)[hires]
    numbers = range(first, first + len(host.texts_of(p)[0]))
    pictures = [replayed[0] if len(replayed) == 1 else replayed[number] for number in numbers]
    found = [passes[hires] if hires < len(passes) else Timeline() for passes in pictures]
    return [_without(each, set(_late(each, steps))) for each in found]


def _without(timeline: Timeline, steps: set[int]) -> Timeline:
    """A timeline without its changes at these steps."""
    return Timeline({step: terms for step, terms in timeline.changes.items() if step not in steps})


def _late(timeline: Timeline, steps: int) -> list[int]:
    """The changes behind the last of `steps`; at the very end terms may go, as `clear_at_stop` has it, and none come."""
    late = [step for step in timeline.changes if step >= steps]
    return [step for step in late if step > steps or set(timeline.at(step)) - set(timeline.at(step - 1))]


def _steps(p: Any) -> tuple[int, int]:
    """How many steps the first and the hires pass have at the most."""
    return p.steps, getattr(p, "hr_second_pass_steps", 0) or p.steps
