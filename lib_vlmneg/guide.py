"""The loop: at each step of a sampler, look at x0, ask, and say what the next step is to be pushed away from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from PIL import Image
from torch import Tensor

from .answers import terms
from .decode import Decoder
from .negatives import CountTokens, Ledger, compose
from .oracles.base import Answer, Oracle
from .questions import questions_for
from .record import Event, Record, Timeline
from .schedule import Clock, Rhythm, Schedule
from .settings import Settings

Watcher = Callable[[Event, Image.Image], None]

logger = logging.getLogger(__name__)


class Guide:
    """Guides one pass of one generation, each image of the batch on its own.

    The host calls `negatives` before a model call and `observe` after it, with the number of the call (from 0) and, where it
    knows it, the noise level. A term found at step i acts from step i + 1. Nothing that goes wrong in asking is raised: the
    picture completes with the terms found so far, and `record.failure` says why.

    Without an oracle nothing is asked, and the given `timelines` are replayed.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        prompts: Sequence[str],
        negatives: Sequence[str],
        oracle: Oracle | None = None,
        decoder: Decoder | None = None,
        count_tokens: CountTokens | None = None,
        timelines: Sequence[Timeline] = (),
        watch: Watcher | None = None,
    ):
        self.settings = settings
        self.clock = clock
        self.schedule = Schedule.of(settings, clock.steps)
        self.record = Record(
            settings=settings.to_dict(),
            prompts=tuple(prompts),
            negatives=tuple(negatives),
            timelines=list(timelines) or [Timeline() for _ in prompts],
            oracle=oracle.name if oracle else "",
        )
        self._questions = [questions_for(prompt, settings.questions) for prompt in prompts]
        self._ledgers = [Ledger(negative, settings, count_tokens) for negative in negatives]
        self._rhythms = [Rhythm(settings.settle) for _ in prompts]
        self._oracle, self._decoder, self._watch = oracle, decoder, watch
        self._seen: set[int] = set()
        if oracle and settings.clear_at_stop:
            for timeline in self.record.timelines:
                timeline.changes[self.schedule.stop] = ()

    def negatives(self, call: int, sigma: float | None = None) -> list[str] | None:
        """The negative prompt of each image for this model call, or None to leave the user's own."""
        step = self.clock.step(call, sigma)
        in_force = [timeline.at(step) for timeline in self.record.timelines]
        if not any(in_force):
            return None
        return [compose(base, found, self.settings.weight) for base, found in zip(self.record.negatives, in_force)]

    def wants(self, call: int, sigma: float | None = None) -> bool:
        """Whether `observe` would look at x0 after this model call."""
        step = self.clock.step(call, sigma)
        return bool(self._oracle) and not self.record.failure and step in self.schedule.wanted and step not in self._seen

    @torch.no_grad()
    def observe(self, call: int, sigma: float | None, x0: Tensor) -> None:
        """Looks at x0 [B, C, h, w], latents as the sampler has them, if this step asks."""
        if not self.wants(call, sigma):
            return
        step = self.clock.step(call, sigma)
        self._seen.add(step)
        due = [image for image, rhythm in enumerate(self._rhythms) if rhythm.due()]
        if not due:
            return
        with self.guarded(call), _same_random_numbers(x0.device):
            self._ask(step, sigma, x0, due)

    @contextmanager
    def guarded(self, call: int) -> Iterator[None]:
        """Nothing that goes wrong inside costs the picture: it is said once, and nothing is asked any more."""
        try:
            yield
        except Exception as error:
            self._fail(self.clock.step(call), error)

    def encoded(self, call: int, seconds: float) -> None:
        """The host says how long it took to encode the negative prompts of this call."""
        self.record.timing(self.clock.step(call)).encode += seconds

    def _ask(self, step: int, sigma: float | None, x0: Tensor, due: list[int]) -> None:
        timing = self.record.timing(step)
        began = time.perf_counter()
        pictures = dict(zip(due, self._decoder(x0[due]), strict=True))
        timing.decode += time.perf_counter() - began
        began = time.perf_counter()
        answers = self._answers(pictures)
        timing.ask += time.perf_counter() - began
        for image, picture in pictures.items():
            self._hear(step, sigma, image, answers[image], picture)

    def _answers(self, pictures: dict[int, Image.Image]) -> dict[int, list[list[Answer]]]:
        """For each image its questions' answers; images with the same questions are asked together."""
        found = {}
        for questions in dict.fromkeys(self._questions[image] for image in pictures):
            images = [image for image in pictures if self._questions[image] == questions]
            replies = self._oracle.ask([pictures[image] for image in images], list(questions), self.settings.topk)
            found.update(zip(images, replies, strict=True))
        return found

    def _hear(self, step: int, sigma: float | None, image: int, answers: list[list[Answer]], picture: Image.Image) -> None:
        settings, ledger, timeline = self.settings, self._ledgers[image], self.record.timelines[image]
        likely = [answer.text for group in answers for answer in group if answer.likely(settings.min_score)]
        change = ledger.hear(terms(likely, self.record.prompts[image], settings.suffix, settings.negate_prompt))
        self._rhythms[image].heard(bool(change))
        if timeline.at(step + 1) != ledger.terms:
            timeline.changes[step + 1] = ledger.terms
        event = Event(
            step=step,
            image=image,
            sigma=sigma,
            questions=self._questions[image],
            answers=tuple(tuple((answer.text, answer.score) for answer in group) for group in answers),
            added=change.added,
            dropped=change.dropped,
            refused=change.refused,
            negative=ledger.text(),
        )
        self.record.events.append(event)
        if self._watch:
            self._watch(event, picture)

    def _fail(self, step: int, error: Exception) -> None:
        if self.record.failure:
            return
        reason = " ".join(str(error).split()) or "no reason given"
        self.record.failure = f"step {step}: {type(error).__name__}: {reason}"
        logger.warning("VLM Negative asks no more in this picture, which goes on without it. %s", self.record.failure)
        logger.debug("the whole story:", exc_info=error)


def _same_random_numbers(device: torch.device) -> torch.random.fork_rng:
    """Whatever draws random numbers inside (ViLT does, for patches) leaves the sampler's as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
