"""When to ask. A sampler calls the model once a step, or twice, or as often as it likes; a schedule counts steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError
from .readers import Moment, whole_steps
from .settings import Settings


def step_of(call: int, steps: int, calls: int) -> int:
    """The step (0 to steps - 1) that model call number `call` belongs to, of `calls` in a run of `steps` steps."""
    return min(call * steps // calls, steps - 1)


def step_of_sigma(sigma: float, sigmas: Sequence[float]) -> int:
    """The step by noise level: the last one of the run's descending `sigmas` (one a step) that is not below `sigma`."""
    passed = sum(1 for level in sigmas if level >= sigma * (1 - 1e-6))
    return min(max(passed - 1, 0), len(sigmas) - 1)


@dataclass(frozen=True)
class Clock:
    """Turns model calls into steps. `calls` is how many are expected; past them, or when None, the noise level tells."""

    steps: int
    calls: int | None
    sigmas: tuple[float, ...] = ()

    def step(self, call: int, sigma: float | None = None) -> int:
        """The step of model call `call` (counted from 0)."""
        if self.calls is not None and call < self.calls:
            return step_of(call, self.steps, self.calls)
        if sigma is not None and self.sigmas:
            return step_of_sigma(sigma, self.sigmas)
        return self.steps - 1 if self.calls is not None else min(call, self.steps - 1)


@dataclass(frozen=True)
class Schedule:
    """The steps of one run that may ask: `wanted`, in order; `stop` is the first step that may not."""

    wanted: tuple[int, ...]
    stop: int

    @classmethod
    def of(cls, settings: Settings, steps: int) -> Schedule:
        """For a run of `steps` steps. A step after which no answer can act never asks, the last one for instance."""
        start, stop = resolve(settings.start, steps), min(resolve(settings.stop, steps), steps)
        if not settings.steps and start >= stop:
            raise InputError(
                f"start: {settings.start} is not before stop {settings.stop} in a run of {steps} steps; move one of them"
            )
        wanted = moments(settings.steps, settings.steps_of, steps) or range(start, stop, settings.every)
        end = stop if settings.clear_at_stop else steps
        return cls(tuple(step for step in wanted if step < end - 1 - settings.lag), stop)


def check_steps(settings: Settings, steps: int) -> None:
    """Raises InputError where the settings do not fit a run of so many steps, or lists steps that it has not."""
    Schedule.of(settings, steps)
    last = max(whole_steps(settings.steps), default=0)
    if not settings.steps_of and last >= steps:
        raise InputError(f"steps: {last} is no step of a run of {steps}; leave it out, or say with steps_of what it is of")


def resolve(where: Moment, steps: int) -> int:
    """A step as it is, a share of the run as a step: 1.0 is the end, the integer 1 is step 1."""
    return where if isinstance(where, int) else math.ceil(where * steps - 1e-9)


def moments(listed: Sequence[Moment], of: int, steps: int) -> tuple[int, ...]:
    """What is listed as steps of a run of `steps`, in order, once each; whole steps are of a run of `of`, 0: as they are."""
    shares = (step / of if of and isinstance(step, int) else step for step in listed)
    return tuple(sorted({resolve(share, steps) for share in shares}))


@dataclass
class Rhythm:
    """One image's own pace: after `settle` asks in a row that add nothing it is asked half as often, and so on."""

    settle: int
    fruitless: int = 0
    passed: int = 0

    def due(self) -> bool:
        """Whether to ask at this chance; called once at each."""
        self.passed += 1
        doublings = self.fruitless // self.settle if self.settle else 0
        if self.passed < 2**doublings:
            return False
        self.passed = 0
        return True

    def heard(self, added: bool) -> None:
        """Tells whether the last ask added anything."""
        self.fruitless = 0 if added else self.fruitless + 1
