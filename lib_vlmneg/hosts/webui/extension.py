"""What the script calls: at the beginning of a generation, at each model call, and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...checks import Check, check_of
from ...devices import read_places
from ...errors import InputError
from ...oracles.pool import Pool
from ...presets import from_page, from_request
from ...query.asking import prefixed
from ...query.vocabulary import find
from ...record import REPLAYED, TIMELINE
from ...schedule import check_steps
from ...settings import INFOTEXT_PREFIX, Settings
from . import history, host, memory, models
from .checking import look
from .generation import ATTRIBUTE, Generation
from .options import DEVICE, DTYPE, FOLDER, IDLE, KEEP, PLACES, chosen
from .passes import Pass


class Extension:
    """One for each time that the script is loaded; holds the oracle and, within one model call, the pass it belongs to."""

    def __init__(self) -> None:
        self.oracles = Pool(models.load, lambda: float(chosen(IDLE, 0) or 0), host.is_busy, memory.collect)
        self._pass: Pass | None = None

    def begin(self, p: Any, values: Sequence[Any]) -> None:
        """process(): reads the settings, and loads the oracle while nothing is being sampled yet (hosts.md B.6)."""
        self._leave()
        setattr(p, ATTRIBUTE, None)
        given = p.extra_generation_params.items()  # X/Y/Z plot and others copy `p` with this one dict in all copies
        p.extra_generation_params = {key: value for key, value in given if not key.startswith(INFOTEXT_PREFIX)}
        try:
            settings = read(values)
            if _forgotten(values):
                host.say(p, "enabled: it is not given, so nothing was asked; give enabled true")
            if settings.enabled:
                self._generation(p, settings).attach()
        except InputError as error:
            host.say(p, f"{error}. The picture is drawn without it.")
        except Exception as error:
            host.logger.exception("VLM Negative cannot begin")
            host.say(p, f"{type(error).__name__}: {error}. The picture is drawn without it.")

    def before_sampling(self, p: Any) -> None:
        """process_before_every_sampling(): twice in Forge's hires pass, which does no harm."""
        if generation := _of(p):
            memory.keep_during_sampling(p, generation.oracle)

    def on_cfg_denoiser(self, params: Any) -> None:
        """Before each model call of whatever generation runs in this process."""
        self._leave()
        generation = _of(getattr(getattr(params, "denoiser", None), "p", None))
        if generation and (current := generation.enter(params)):
            self._pass = current
            current.before(params)
            current.report()

    def on_cfg_after_cfg(self, params: Any) -> None:
        """After the same call; these params do not say of which generation."""
        current, self._pass = self._pass, None
        if current:
            current.after(params)
            current.report()

    def sampled(self, p: Any) -> None:
        """post_sample(): before anything is written into the pictures of a batch."""
        self._leave()
        if generation := _of(p):
            generation.sampled()

    def finished(self, p: Any, picture: Any) -> None:
        """postprocess_image(): has a check look at each picture, which may be drawn again."""
        generation = _of(p)
        if generation is None or generation.check is None:
            return
        try:
            look(generation, picture)
        except Exception as error:  # the picture as it is stays
            host.logger.exception("VLM Negative cannot check a picture")
            host.say(p, f"check: {type(error).__name__}: {error}. The picture stays as it is.")

    def end(self, p: Any, processed: Any) -> None:
        """postprocess(): not called after an exception, so that nothing may depend on it but what is written."""
        generation = _of(p)
        if generation is None:
            return
        setattr(p, ATTRIBUTE, None)
        generation.sampled()  # a host without post_sample
        self.oracles.touch()
        if not generation.passes and host.NOTE not in p.extra_generation_params:  # PLMS with one step
            host.say(p, "the sampler has not called the model once, so nothing was asked")
        for key, said in generation.written().items():
            if said:
                p.extra_generation_params[key] = said
            else:
                p.extra_generation_params.pop(key, None)
        history.complete(processed)
        folder = chosen(FOLDER, "").strip()
        if folder or generation.settings.previews:
            path = Path(folder) if folder else Path(p.outpath_samples or ".") / "vlm-negative"
            try:
                generation.save(path, processed.images[processed.index_of_first_image :])
            except OSError as error:
                host.say(p, f"the records cannot be written to {path} ({error}); choose another folder in the settings")
        if not chosen(KEEP, True):
            self.release()

    def release(self) -> str:
        """Lets go of the oracle and its memory; says which it was."""
        self._leave()
        name = self.oracles.name
        self.oracles.release()
        return name

    def _leave(self) -> None:
        """An exception may have ended a call before on_cfg_after_cfg: what hangs on the model for it goes."""
        current, self._pass = self._pass, None
        if current:
            current.left()

    def _generation(self, p: Any, settings: Settings) -> Generation:
        replayed = bool(settings.replay)
        vocabulary = None if replayed else find(settings.vocabulary, models.vocabularies_folder())
        settings = prefixed(settings, vocabulary)
        generation = Generation(p, settings, None, vocabulary)
        idle = [generation.idle(hires) for hires in generation.wanted()]
        if not idle:
            raise InputError("passes: only the hires pass is to be guided, and there is none; choose both, or hires fix")
        if all(idle):
            raise InputError(idle[0])
        if settings.asks and not replayed:
            check_steps(settings, host.longest_pass(p))
            generation.oracle = self._oracle(settings.oracle)
        generation.check = self._check(p, settings)
        written = {REPLAYED: "True"} if replayed else {}
        p.extra_generation_params.update(settings.to_infotext() | written | generation.infotext())
        if said := generation.misfit():
            host.say(p, said)
        if reason := generation.composed():
            p.extra_generation_params.pop(TIMELINE, None)  # of a replay
            host.say(p, reason)
        return generation

    def _check(self, p: Any, settings: Settings) -> Check | None:
        """What looks at the finished pictures; without it they are drawn all the same."""
        try:
            return check_of(settings)
        except InputError as error:
            host.say(p, f"{error}. The picture is not checked.")
            return None

    def _oracle(self, name: str) -> Any:
        device, dtype = read_places(chosen(PLACES, "")).get(name, (chosen(DEVICE, "auto"), chosen(DTYPE, "auto")))
        return self.oracles.get(name, memory.device(device), dtype)


def read(values: Sequence[Any]) -> Settings:
    """The settings from the controls' values, or from the dict that an API request has in their place. Raises InputError."""
    if values and isinstance(values[0], dict):
        return from_request(values[0])
    return from_page(values)


def _forgotten(values: Sequence[Any]) -> bool:
    """Whether a request gives settings and does not say whether it wants them."""
    return bool(values) and isinstance(values[0], dict) and bool(values[0]) and "enabled" not in values[0]


def _of(p: Any) -> Generation | None:
    """The generation of this very `p`."""
    generation = getattr(p, ATTRIBUTE, None)
    return generation if generation is not None and generation.p is p else None
