"""One generation of the WebUI: its passes, what is written into its pictures, and its records. It belongs to one `p`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import InputError
from ...oracles.base import Oracle
from ...record import FOUND, NO_TERMS, PASS_BREAK, TIMELINE, Record, Timeline, join_passes, split_passes
from ...settings import Settings
from ...sheet import contact_sheet
from ...vocabulary import Vocabulary
from . import host
from .passes import PUSHES, Pass

Tell = Callable[[int], "str | None"]  # from the number of a picture to what is written in its parameters
NAMES = {False: "first", True: "hires"}


class Generation:
    """What was asked for and what came of it. ADetailer and others copy a `p` with all its attributes: hence `p is p`."""

    def __init__(self, p: Any, settings: Settings, oracle: Oracle | None, vocabulary: Vocabulary | None = None):
        self.p, self.settings, self.oracle, self.vocabulary = p, settings, oracle, vocabulary
        self.passes: dict[tuple[int, bool], Pass] = {}
        self._broken = False
        self._replay = [split_passes(text) for text in settings.replay]

    def enter(self, params: Any) -> Pass | None:
        """The pass that a model call belongs to, begun if it is its first; None where this pass is not to be guided."""
        hires = host.in_hires(self.p)
        if self._broken or self.settings.passes not in ("both", NAMES[hires]):
            return None
        key = (getattr(self.p, "iteration", 0), hires)
        current = self.passes.get(key)
        if current is None or not current.goes_on(params.denoiser):
            if current is None and params.text_uncond is None and PUSHES[self.settings.push].needs_uncond:
                return self._give_up(host.uncond_unused(params, self.p))
            try:
                current = self.passes[key] = Pass(self, params, self._timelines(*key))
            except Exception as error:  # whatever it is, the picture is drawn without us
                return self._give_up(str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")
        return current

    def infotext(self) -> dict[str, Callable[..., str | None]]:
        """What the host calls when it writes the parameters of a picture (processing.py:786); `index` is in this batch."""

        def asked(tell: Tell) -> Callable[..., str | None]:
            def told(p: Any = None, index: int = 0, all_prompts: Any = None, **_: Any) -> str | None:
                whole = p is None or all_prompts is None or len(all_prompts) == len(p.all_prompts)
                return tell(index if whole else p.iteration * p.batch_size + index)

            return told

        return {key: asked(tell) for key, tell in self._reports().items()}

    def written(self) -> dict[str, list[str]]:
        """The same in the end, for every picture: a function would be null in the API's info."""
        numbers = range(len(self.p.all_prompts))
        return {key: [tell(number) or "" for number in numbers] for key, tell in self._reports().items()}

    def compact(self, number: int) -> str | None:
        """The terms of picture `number` of this generation, pass by pass; None before it was drawn."""
        image, found = self._passes_of(number)
        return join_passes([one.guide.record.timelines[image] if one else Timeline() for one in found]) if any(found) else None

    def found(self, number: int) -> str | None:
        """What was found in picture `number` at which step, pass by pass; None before it was drawn."""
        image, found = self._passes_of(number)
        return PASS_BREAK.join(one.guide.record.found(image) if one else NO_TERMS for one in found if one or found[1]) or None

    def _reports(self) -> dict[str, Tell]:
        return {TIMELINE: self.compact} | ({FOUND: self.found} if self.vocabulary else {})

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
        for (iteration, hires), found in self.passes.items():
            record = found.guide.record
            record.generation |= self._facts()
            path = folder / f"{stamp}-{iteration}-{NAMES[hires]}.json"
            path.write_text(record.to_json(), encoding="utf-8")
            if self.settings.previews and found.seen:
                batch = images[iteration * self.p.batch_size : (iteration + 1) * self.p.batch_size]
                contact_sheet(record, found.seen, batch).save(path.with_suffix(".png"))

    def _facts(self) -> dict[str, Any]:
        p = self.p
        facts = {"version": __version__, "seeds": list(p.all_seeds), "steps": p.steps, "sampler": p.sampler_name}
        return facts | {"cfg_scale": p.cfg_scale, "width": p.width, "height": p.height}

    def _timelines(self, iteration: int, hires: bool) -> list[Timeline]:
        """What is replayed, one timeline an image; a single one serves all."""
        if not self._replay:
            return []
        first = iteration * self.p.batch_size
        numbers = range(first, first + len(host.texts_of(self.p)[0]))
        chosen = [self._replay[0] if len(self._replay) == 1 else self._replay[number] for number in numbers]
        return [Timeline(passes[hires].changes) if hires < len(passes) else Timeline() for passes in chosen]

    def _give_up(self, reason: str | None) -> None:
        self._broken = True
        host.say(self.p, reason or "nothing to steer was found")
