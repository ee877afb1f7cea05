"""The loop: at each step of a sampler, look at x0, ask, and say what the next step is to be pushed away from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from PIL import Image
from torch import Tensor

from .decode import Decoder
from .devices import same_random_numbers
from .errors import InputError
from .negatives import Ledger, Room, compose
from .oracles.base import Answer, Oracle
from .oracles.beside import Beside
from .oracles.stopped import Stopped
from .query.asking import Asked, asking, prefixed
from .query.prompts import unasked
from .query.vocabulary import Vocabulary
from .reach import Reach
from .record import Event, Record, Timeline
from .schedule import Clock, Rhythm, Schedule
from .settings import INSIDE, Settings

Watcher = Callable[[Event, Image.Image], None]
JOINING = ("cfg", *INSIDE)  # the pushes whose terms are put behind the user's own negative prompt; with others they stand alone
logger = logging.getLogger(__name__)


class Guide:
    """Guides one pass of one generation, each image of the batch on its own.

    A push calls `negatives` (or `negative_terms`, where these push for themselves) before a model call, the host `observe`
    after it, with the number of the call (from 0). A term found at step i acts from step i + 1 + lag, however fast the oracle
    is. Nothing that goes wrong in asking is raised: the picture completes with the terms found so far, and `record.failure`
    says why. When `stopped` says so, nobody waits for an answer any more.

    The terms in `begun`, those of each image, act from step 0 on: what an earlier pass found, less what this pass asks for.
    With a `vocabulary` its items are asked for, in place of the settings' questions. Without an oracle nothing is asked, and
    the given `timelines` are replayed.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        prompts: Sequence[str],
        negatives: Sequence[str],
        oracle: Oracle | None = None,
        decoder: Decoder | None = None,
        room: Room | None = None,
        timelines: Sequence[Timeline] = (),
        watch: Watcher | None = None,
        stopped: Callable[[], bool] | None = None,
        vocabulary: Vocabulary | None = None,
        begun: Sequence[Sequence[str]] = (),
    ):
        self.settings = settings = prefixed(settings, vocabulary)
        self.clock = clock
        self.schedule = Schedule.of(settings, clock.steps)
        self.record = Record(
            settings=settings.to_dict(),
            prompts=tuple(prompts),
            negatives=tuple(negatives),
            timelines=[Timeline(given.changes) for given in timelines] or [Timeline() for _ in prompts],
            reached=[0] * len(prompts),
            oracle=oracle.name if oracle else "",
        )
        self._asking = asking(settings, oracle, vocabulary)
        self._notes: dict[str, str] = {}
        self._questions = [self._asking.about(prompt) for prompt in prompts]
        own = negatives if settings.push in JOINING else [""] * len(negatives)
        self._ledgers = [Ledger(negative, settings, room) for negative in own]
        for image, terms in enumerate(begun):
            self._begin(image, terms)
        self._rhythms = [Rhythm(settings.settle) for _ in prompts]
        self._beside = Beside(oracle, stopped) if oracle else None
        self._decoder, self._watch = decoder, watch
        self._seen: set[int] = set()
        self._reach = Reach(self.record)
        self._crowded: dict[str, None] = {}
        self._may_grow = not settings.grow and room is not None and room.most is None
        self._pending: list[Asked] = []
        if oracle and not self.schedule.wanted:
            self._say("asks", f"nothing is asked: in a run of this length ({clock.steps}) no answer could still act")
        if settings.enabled and settings.inside and not (oracle or timelines or any(negatives)):
            self._say("push", f"{settings.push} has nothing to push away from; give a negative prompt, or a question")
        if oracle and settings.clear_at_stop:
            for timeline in self.record.timelines:
                timeline.changes[self.schedule.stop] = ()

    def _begin(self, image: int, terms: Sequence[str]) -> None:
        """Has one image begin with these terms."""
        record, ledger = self.record, self._ledgers[image]
        ledger.hear(unasked(terms, record.prompts[image], self.settings.negate_prompt))
        if ledger.terms:
            record.timelines[image].changes[0] = ledger.terms

    def negatives(self, call: int) -> list[str] | None:
        """The negative prompt of each image for this model call, or None to leave the user's own."""
        in_force = self._in_force(call)
        return in_force and [self._composed(*pair) for pair in zip(self.record.negatives, in_force)]

    def negative_terms(self, call: int) -> list[str] | None:
        """The terms of each image alone, "" where there are none; None where no image has any."""
        in_force = self._in_force(call)
        return in_force and [self._composed("", found) for found in in_force]

    def _composed(self, base: str, found: tuple[str, ...]) -> str:
        return compose(base, found, self.settings.weight, self.settings.prefix)

    def _in_force(self, call: int) -> list[tuple[str, ...]] | None:
        step = self.clock.step(call)
        with self.guarded(call):
            self._collect(step)
        in_force = [timeline.at(step) for timeline in self.record.timelines]
        return in_force if any(in_force) else None

    def wants(self, call: int) -> bool:
        """Whether `observe` would look at x0 after this model call."""
        step = self.clock.step(call)
        return bool(self._beside) and not self.record.failure and step in self.schedule.wanted and step not in self._seen

    @torch.no_grad()
    def observe(self, call: int, sigma: float | None, x0: Tensor) -> None:
        """Looks at x0 [B, C, h, w], latents as the sampler has them, if this step asks; `sigma` is for the record."""
        if not self.wants(call):
            return
        step = self.clock.step(call)
        self._seen.add(step)
        due = [image for image, rhythm in enumerate(self._rhythms) if rhythm.due()]
        if not due:
            return
        with self.guarded(call), same_random_numbers(x0.device):
            self._ask(step, sigma, x0, due)

    @contextmanager
    def guarded(self, call: int) -> Iterator[None]:
        """Nothing that goes wrong inside costs the picture: it is said once, and nothing is asked any more."""
        try:
            yield
        except Stopped:
            self._forget()
            self._beside = None
        except Exception as error:
            self._forget()
            self._fail(self.clock.step(call), error)

    def reached(self, call: int, images: Iterable[int]) -> None:
        """The host says which images had rows in this model call that read another text, theirs or beside theirs."""
        self._reach.count(self.clock.step(call), images)

    def withdrawn(self, call: int) -> None:
        """The host says that no term acts from this model call on."""
        self._reach.end(self.clock.step(call))

    def ended(self, reason: str = "") -> None:
        """The pass is over: terms that reached no row of the model are no terms that acted, and that is a failure.

        `reason` is why, where the host knows. A push of strength 0 is none.
        """
        if self.settings.push_scale == 0:
            return
        why = f": {reason}" if reason else ""
        for image in self._reach.missed():
            error = InputError(f"the terms of picture {image + 1} reached no row of the model{why}")
            self._fail(self._reach.last, error)

    def note(self, said: str) -> None:
        """The host says what the user should know, though nothing failed."""
        self._say("host", said)

    def _say(self, about: str, said: str) -> None:
        """Notes this; what was noted about the same before goes."""
        self._notes[about] = said
        self.record.note = "; ".join(filter(None, self._notes.values()))

    def encoded(self, call: int, seconds: float) -> None:
        """The host says how long it took to encode the negative prompts of this call."""
        self.record.timing(self.clock.step(call)).encode += seconds

    def _ask(self, step: int, sigma: float | None, x0: Tensor, due: list[int]) -> None:
        timing = self.record.timing(step)
        began = time.perf_counter()
        pictures = dict(zip(due, self._decoder(x0[due]), strict=True))
        timing.decode += time.perf_counter() - began
        for questions in dict.fromkeys(self._questions[image] for image in pictures):  # those with the same are asked together
            images = [image for image in pictures if self._questions[image] == questions]
            shown = {image: pictures[image] for image in images}
            answers = self._beside.ask(list(shown.values()), list(questions), self._asking.topk, self._asking.prompting)
            self._pending.append(Asked(step, sigma, shown, answers))
        self._collect(step + 1)

    def _collect(self, step: int) -> None:
        """Takes the answers that act from this step on; waits for them."""
        while self._pending and self._pending[0].step + self.settings.lag < step:
            asked = self._pending.pop(0)
            replies, seconds = self._beside.result(asked.answers)
            self.record.timing(asked.step).ask += seconds
            for (image, picture), answers in zip(asked.pictures.items(), replies, strict=True):
                self._hear(asked.step, asked.sigma, image, answers, picture)

    def _hear(self, step: int, sigma: float | None, image: int, answers: list[list[Answer]], picture: Image.Image) -> None:
        settings, ledger, timeline = self.settings, self._ledgers[image], self.record.timelines[image]
        found = self._asking.terms(answers, self.record.prompts[image])
        change = ledger.hear(found)
        self._rhythms[image].heard(bool(change))
        acts = step + 1 + settings.lag
        if timeline.at(acts) != ledger.terms:
            timeline.changes[acts] = ledger.terms
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
            found=found,
        )
        self.record.events.append(event)
        self._say_crowded(ledger.crowded)
        if self._watch:
            self._watch(event, picture)

    def _say_crowded(self, terms: Sequence[str]) -> None:
        """Notes what was found and could not act: a full negative prompt is not to look like an oracle that is silent."""
        self._crowded.update(dict.fromkeys(terms))
        if self._crowded:
            more = ", or let the terms take a chunk more (grow)" if self._may_grow else ""
            named = ", ".join(self._crowded)
            self._say("room", f"the negative prompt leaves no room for {named}, which did not act; shorten it{more}")

    def _forget(self) -> None:
        """Nobody waits for what is on its way, and what was not begun is never asked: the next picture would wait for it."""
        self._pending.clear()
        if self._beside:
            self._beside.cancel()

    def _fail(self, step: int, error: Exception) -> None:
        if self.record.failure:
            return
        reason = " ".join(str(error).split()) or "no reason given"
        said = reason if isinstance(error, InputError) else f"{type(error).__name__}: {reason}"
        self.record.failure = f"step {step}: {said}"
        logger.warning("VLM Negative stops in this picture, which goes on without it. %s", self.record.failure)
        logger.debug("the whole story:", exc_info=error)
