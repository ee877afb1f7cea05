"""One sampling pass of one batch: what the host's two callbacks do for its guide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from ...attention.asked import asked
from ...guide import Guide
from ...negatives import Room
from ...oracles.base import Oracle
from ...push.inside import Inside
from ...push.joined import Joined
from ...push.push import Push
from ...push.separate import Separate
from ...query.asking import side_of
from ...query.vocabulary import Vocabulary
from ...record import Event, Timeline
from ...schedule import Clock
from ...settings import Settings
from . import decoders, host, memory
from .adapter import Adapter
from .attention_text import BareEncoder, family_of
from .conditioning import Encoder


class Pass:
    """Between the first and the last model call of a sampler; `denoiser.step` is the exact number of the call."""

    def __init__(
        self,
        p: Any,
        params: Any,
        settings: Settings,
        oracle: Oracle | None,
        vocabulary: Vocabulary | None,
        timelines: list[Timeline],
        begun: Sequence[Sequence[str]] = (),
    ):
        self.denoiser = params.denoiser
        self._p, self._last, self._number = p, -1, -1
        self._hires = host.in_hires(p)
        self._sample: tuple[Tensor, Tensor] | None = None
        self._over = False
        self.seen: list[tuple[Event, Image.Image]] = []
        encoder = Encoder(p, params.denoiser, params.x)
        prompts, negatives = host.texts_of(p)
        steps = max(1, params.denoiser.steps or params.total_sampling_steps)
        sigmas = host.sigmas_of(p, steps, params.sigma[0])
        self._levels = Clock(steps, None, sigmas) if sigmas else None
        calls = steps if sigmas else max(1, params.denoiser.total_steps or steps)
        decoder = None
        if oracle is not None:
            decoder = decoders.decoder(p, settings.decode, decoders.latent_side(params.x), side_of(settings, oracle))
        self.guide = Guide(
            settings,
            Clock(steps, calls),
            prompts,
            negatives,
            oracle,
            decoder,
            Room(encoder.count_tokens, host.chunk()),
            timelines,
            self._keep if settings.previews else None,
            host.is_stopped,
            vocabulary,
            begun,
        )
        self._adapter = Adapter(p, _push(p, self.guide, encoder, params))

    def goes_on(self, denoiser: Any) -> bool:
        """Whether this call belongs to the pass: img2img keeps one denoiser for all batches, and starts it from 0 again."""
        return denoiser is self.denoiser and denoiser.step > self._last and host.in_hires(self._p) == self._hires

    def before(self, params: Any) -> None:
        """on_cfg_denoiser: brings the negatives in force into this very call."""
        self._last, self._sample = params.denoiser.step, None
        self._number = number = self._call(params)
        if self._adapter.before(number, params) and self.guide.wants(number):
            rows = len(self.guide.record.prompts)  # AUTOMATIC1111 stacks the latents for every cond; the last are uncond's
            self._sample = (params.x[-rows:], params.sigma[-rows:])

    def after(self, params: Any) -> None:
        """on_cfg_after_cfg: shows the guide x0."""
        self._adapter.after()
        if self._sample is None:
            return
        number, (x, sigma), self._sample = self._number, self._sample, None
        with self.guide.guarded(number), memory.borrowed(self._p, x):
            predicted = self._adapter.plain(params.x, self.denoiser)
            self.guide.observe(number, float(sigma[0]), self._x0(predicted, x, sigma))

    def left(self) -> None:
        """The call under way, if any, has not come to its end."""
        self._adapter.left()

    def over(self) -> None:
        """The sampler has made its last call: terms that reached no row of the model are taken out of the record, and said."""
        if not self._over:
            self._over = True
            self.guide.ended(self._adapter.unused)
            self.report()

    def report(self) -> None:
        """Says what went wrong, or what the user should know, once."""
        if said := self.guide.record.failure or self.guide.record.note:
            host.say(self._p, said)

    def _call(self, params: Any) -> int:
        """The number of the call; where that does not tell the step, the step by its noise level."""
        if self._levels is None:
            return params.denoiser.step
        return self._levels.step(params.denoiser.step, float(params.sigma[0]))

    def _keep(self, event: Event, picture: Image.Image) -> None:
        self.seen.append((event, picture))

    def _x0(self, predicted: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """AUTOMATIC1111's timestep samplers (DDIM, PLMS, UniPC) hand over eps, all else x0 (sd_samplers_timesteps.py:57)."""
        if host.is_forge():
            return predicted
        return self.denoiser.get_pred_x0(x, predicted, sigma)


def _push(p: Any, guide: Guide, encoder: Encoder, params: Any) -> Push:
    """How the terms of a pass act; where that cannot be, a push that is off."""
    if guide.settings.inside:
        with guide.guarded(0):
            method, note = asked(guide.settings, family_of(params.denoiser.inner_model.inner_model), host.cfg_of(p))
            guide.note(note)
            return Inside(guide, BareEncoder(p, encoder, params.x), method)
    push = (Separate if guide.settings.push == "separate" else Joined)(guide, encoder)
    if guide.settings.inside:
        push.withdraw(0)
    return push
