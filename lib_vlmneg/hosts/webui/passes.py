"""One sampling pass of one batch: what the host's two callbacks do for its guide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from ...guide import Guide
from ...negatives import Room
from ...oracles.base import Oracle
from ...query.asking import side_of
from ...query.vocabulary import Vocabulary
from ...record import Event, Timeline
from ...schedule import Clock
from ...settings import INSIDE, Settings
from . import decoders, host, memory
from .conditioning import Encoder
from .inside import Inside
from .push import Joined
from .separate import Separate

PUSHES = {"cfg": Joined, "separate": Separate, **dict.fromkeys(INSIDE, Inside)}


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
        self._p, self._last = p, -1
        self._hires = host.in_hires(p)
        self._sample: tuple[Tensor, Tensor] | None = None
        self.seen: list[tuple[Event, Image.Image]] = []
        encoder = Encoder(p, params.denoiser)
        prompts, negatives = host.texts_of(p)
        steps = max(1, params.denoiser.steps or params.total_sampling_steps)
        sigma = float(params.sigma[0])
        sigmas = host.sigmas_of(p, steps, sigma)
        calls = None if sigmas else max(1, params.denoiser.total_steps or steps)
        decoder = None
        if oracle is not None:
            decoder = decoders.decoder(p, settings.decode, decoders.latent_side(params.x), side_of(settings, oracle))
        room = Room(encoder.count_tokens, host.chunk())
        clock = Clock(steps, calls, sigmas)
        watch = self._keep if settings.previews else None
        self.guide = Guide(
            settings,
            clock,
            prompts,
            negatives,
            oracle,
            decoder,
            room,
            timelines,
            watch,
            host.is_stopped,
            vocabulary,
            begun,
        )
        self._push = PUSHES[settings.push](p, self.guide, encoder)

    def goes_on(self, denoiser: Any) -> bool:
        """Whether this call belongs to the pass: img2img keeps one denoiser for all batches, and starts it from 0 again."""
        return denoiser is self.denoiser and denoiser.step > self._last and host.in_hires(self._p) == self._hires

    def before(self, params: Any) -> None:
        """on_cfg_denoiser: brings the negatives in force into this very call."""
        call, sigma = params.denoiser.step, float(params.sigma[0])
        self._last, self._sample = call, None
        if self._push.before(call, params) and self.guide.wants(call, sigma):
            rows = len(self.guide.record.prompts)  # AUTOMATIC1111 stacks the latents for every cond; the last are uncond's
            self._sample = (params.x[-rows:], params.sigma[-rows:])

    def after(self, params: Any) -> None:
        """on_cfg_after_cfg: shows the guide x0."""
        call = self._last
        predicted = self._push.after(call, params.x)
        if self._sample is None:
            return
        (x, sigma), self._sample = self._sample, None
        with self.guide.guarded(call), memory.borrowed(self._p, x):
            self.guide.observe(call, float(sigma[0]), self._x0(predicted, x, sigma))

    def left(self) -> None:
        """The call under way, if any, has not come to its end."""
        self._push.left()

    def report(self) -> None:
        """Says what went wrong, or what the user should know, once."""
        if said := self.guide.record.failure or self.guide.record.note:
            host.say(self._p, said)

    def _keep(self, event: Event, picture: Image.Image) -> None:
        self.seen.append((event, picture))

    def _x0(self, predicted: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """AUTOMATIC1111's timestep samplers (DDIM, PLMS, UniPC) hand over eps, all else x0 (sd_samplers_timesteps.py:57)."""
        if host.is_forge():
            return predicted
        return self.denoiser.get_pred_x0(x, predicted, sigma)
