"""One generation of the WebUI: its passes, what is written into its pictures, and its records. It belongs to one `p`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ... import __version__
from ...checks import CHECK, Check, Verdict
from ...errors import InputError
from ...oracles.base import Oracle
from ...query.vocabulary import Vocabulary
from ...record import FOUND, NO_TERMS, PASS_BREAK, TIMELINE, Record, Timeline, join_passes, split_passes
from ...settings import INFOTEXT_PREFIX, Settings
from ...sheet import contact_sheet
from . import host, replay
from .passes import Pass

Tell = Callable[[int], "str | None"]  # from the number of a picture to what is written in its parameters
SCALE = INFOTEXT_PREFIX + "push scale"
ATTRIBUTE = "_vlm_negative"  # on `p`, for as long as it is the same `p`
NAMES = {False: "first", True: "hires"}


@dataclass(frozen=True)
class Look:
    """A finished picture that was checked, by whom it was drawn."""

    generation: Generation
    verdict: Verdict


class Generation:
    """What was asked for and what came of it. ADetailer and others copy a `p` with all its attributes: hence `p is p`."""

    def __init__(self, p: Any, settings: Settings, oracle: Oracle | None, vocabulary: Vocabulary | None = None):
        self.p, self.settings, self.oracle, self.vocabulary = p, settings, oracle, vocabulary
        self.passes: dict[tuple[int, bool], Pass] = {}
        self.check: Check | None = None
        self.looks: dict[int, list[Look]] = {}  # by the number of the picture: the picture itself, then its re-draws
        self._without: set[bool] = set()  # the passes (hires or not) that are drawn without us
        self._replay = [split_passes(text) for text in settings.replay]

    def attach(self) -> None:
        """Has the model calls of its `p` find it."""
        setattr(self.p, ATTRIBUTE, self)

    def enter(self, params: Any) -> Pass | None:
        """The pass that a model call belongs to, begun if it is its first; None where this pass is not to be guided."""
        hires = host.in_hires(self.p)
        if hires in self._without or hires not in self.wanted():
            return None
        key = (getattr(self.p, "iteration", 0), hires)
        current = self.passes.get(key)
        if current is None or not current.goes_on(params.denoiser):
            if current is None and (reason := self.idle(hires, params.sigma[0])):
                return self._give_up(hires, reason)
            try:
                given = self.settings, self.oracle, self.vocabulary
                current = self.passes[key] = Pass(
                    self.p, params, *given, replay.of_pass(self.p, self._replay, *key), self._carried(*key)
                )
            except Exception as error:  # whatever it is, the picture is drawn without us
                reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
                return self._give_up(hires, reason)
        return current

    def wanted(self) -> list[bool]:
        """The passes that the settings want guided, of those that there are: False is the first, True the hires pass."""
        there = [False, True] if getattr(self.p, "enable_hr", False) else [False]
        return [hires for hires in there if self.settings.passes in ("both", NAMES[hires])]

    def idle(self, hires: bool, sigma: Tensor | None = None) -> str | None:
        """Why nothing could act in this pass, whatever is found; None where something can."""
        if self.settings.push == "cfg":
            return host.pass_without_uncond(self.p, hires, sigma)
        return host.pass_without_cond(self.p, hires) if self.settings.inside else None

    def sampled(self) -> None:
        """The host has made the last call of the model for the pictures under way."""
        for each in self.passes.values():
            each.over()

    def composed(self) -> str | None:
        """Why no timeline could draw these pictures again; None where one can."""
        if title := host.composes(self.p):
            return f"{title} makes one picture of several generations, which no timeline replays; none is written"
        if host.upscales(self.p) and len(self._source()) > 1:
            return "the picture to upscale has had a hires pass before, and no timeline replays two; none is written"
        return None

    def misfit(self) -> str | None:
        """What of the timelines to replay has no place in this generation; None where all has."""
        return replay.misfit(self.p, self._replay)

    def last(self, number: int) -> tuple[Generation, int]:
        """The generation that drew picture `number` in the end, and its number there."""
        drawn = self.looks.get(number)
        return (drawn[-1].generation, 0) if drawn and len(drawn) > 1 else (self, number)

    def infotext(self) -> dict[str, Callable[..., str | None]]:
        """What the host calls when it writes the parameters of a picture (processing.py:786); `index` is in this batch."""

        def asked(tell: Tell) -> Callable[..., str | None]:
            def told(
                p: Any = None, index: int = 0, all_prompts: Any = None, use_main_prompt: bool = False, **_: Any
            ) -> str | None:
                if use_main_prompt:
                    return tell(0)  # a grid, which the host gives the seed of the first picture (processing.py:776)
                whole = p is None or all_prompts is None or len(all_prompts) == len(p.all_prompts)
                return tell(index if whole else p.iteration * p.batch_size + index)

            return told

        return {key: asked(tell) for key, tell in self._reports().items()}

    def written(self) -> dict[str, list[str]]:
        """The same in the end, for every picture: a function would be null in the API's info. [] for what is of no picture."""
        numbers = range(len(self.p.all_prompts))
        found = {key: [tell(number) for number in numbers] for key, tell in self._reports().items()}
        nothing = dict.fromkeys((TIMELINE, FOUND), NO_TERMS)
        return {key: [said or nothing.get(key, "") for said in all_] if any(all_) else [] for key, all_ in found.items()}

    def compact(self, number: int) -> str | None:
        """The terms of picture `number` of this generation, pass by pass; None before it was drawn."""
        drawn, number = self.last(number)
        image, found = drawn._passes_of(number)
        timelines = [one.guide.record.timelines[image] if one else Timeline() for one in found]
        if host.upscales(self.p):  # its first pass was drawn before
            timelines[:1] = self._source()
        return join_passes(timelines) if any(found) else None

    def found(self, number: int) -> str | None:
        """What was found in picture `number` at which step, pass by pass; None before it was drawn."""
        drawn, number = self.last(number)
        image, found = drawn._passes_of(number)
        return PASS_BREAK.join(one.guide.record.found(image) if one else NO_TERMS for one in found if one or found[1]) or None

    def _reports(self) -> dict[str, Tell]:
        reports: dict[str, Tell] = {} if self.composed() else {TIMELINE: self.compact}
        if self.vocabulary:
            reports[FOUND] = self.found
        if self.check:
            reports[CHECK] = self._checked
        if self.check and self.settings.redraws:
            reports[SCALE] = self._scale
        return reports

    def _checked(self, number: int) -> str | None:
        looks = self.looks.get(number)
        again = f", drawn {len(looks)} times" if looks and len(looks) > 1 else ""
        return f"{looks[-1].verdict.text()}{again}" if looks else None

    def _scale(self, number: int) -> str:
        return str(self.last(number)[0].settings.push_scale)

    def _passes_of(self, number: int) -> tuple[int, list[Pass | None]]:
        """A picture's number in its batch, and its first and hires pass; none before it was drawn."""
        iteration, image = divmod(number, self.p.batch_size)
        found = [self.passes.get((iteration, hires)) for hires in (False, True)]
        drawn = all(image < len(one.guide.record.timelines) for one in found if one)
        return image, found if drawn else [None, None]

    def records(self) -> list[tuple[str, Record]]:
        """Every pass's record by a name."""
        return [(f"{iteration}-{NAMES[hires]}", found.guide.record) for (iteration, hires), found in self.passes.items()]

    def save(self, folder: Path, images: list[Any]) -> None:
        """Writes the records, and the sheets where the user wants to see what the oracle saw."""
        folder.mkdir(parents=True, exist_ok=True)
        stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{self.p.all_seeds[0]}"
        for number, looks in self.looks.items():
            for count, each in enumerate(looks[1:], 1):
                for name, record in each.generation.records():
                    record.generation |= each.generation.facts() | {"checks": [[each.verdict.to_dict()]]}
                    path = folder / f"{stamp}-{name}-picture-{number}-again-{count}.json"
                    path.write_text(record.to_json(), encoding="utf-8")
        for (iteration, hires), found in self.passes.items():
            record = found.guide.record
            record.generation |= self.facts() | self._first_checks(iteration)
            path = folder / f"{stamp}-{iteration}-{NAMES[hires]}.json"
            path.write_text(record.to_json(), encoding="utf-8")
            if self.settings.previews and found.seen:
                batch = images[iteration * self.p.batch_size : (iteration + 1) * self.p.batch_size]
                contact_sheet(record, found.seen, batch).save(path.with_suffix(".png"))

    def _first_checks(self, iteration: int) -> dict[str, Any]:
        """What the check said of a batch's own pictures."""
        numbers = range(iteration * self.p.batch_size, (iteration + 1) * self.p.batch_size)
        said = [self.looks[number][0].verdict.to_dict() for number in numbers if number in self.looks]
        return {"checks": [said]} if said else {}

    def facts(self) -> dict[str, Any]:
        """What the host says of it."""
        p = self.p
        facts = {"version": __version__, "seeds": list(p.all_seeds), "steps": p.steps, "sampler": p.sampler_name}
        weights = getattr(getattr(p.sd_model, "sd_checkpoint_info", None), "sha256", None)  # None with --no-hashing
        return facts | {"cfg_scale": p.cfg_scale, "width": p.width, "height": p.height, "weights": weights}

    def _carried(self, iteration: int, hires: bool) -> list[tuple[str, ...]]:
        """What a pass begins with: the terms of the pass before it, image by image, or of the picture that it starts from."""
        if not self.settings.carry or self._replay:
            return []
        first = self.passes.get((iteration, False))
        if hires and first:
            return [timeline.final for timeline in first.guide.record.timelines]
        if hires and host.source(self.p) is None:
            return []
        return [self._source()[-1].final] * len(host.texts_of(self.p)[0])

    def _source(self) -> list[Timeline]:
        """What acted in each pass of the picture that this generation starts from; one that is empty where nothing is known."""
        try:
            return split_passes(host.parameters_of(host.source(self.p)).get(TIMELINE, ""))
        except Exception:  # a timeline that somebody has edited, or what a script handed over as its picture
            host.logger.debug("the picture to start from says no terms:", exc_info=True)
            return [Timeline()]

    def _give_up(self, hires: bool, reason: str) -> None:
        self._without.add(hires)
        host.say(self.p, reason if self.wanted() == [hires] else f"{NAMES[hires]} pass: {reason}")
