"""The calls of a host's CFG-denoiser as ModelCalls, made as a push wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from ...attention.negative import Negative
from ...attention.push import Pushing
from ...push.call import ModelCall, Row, Side
from ...push.joined import Joined
from ...push.push import Push, Turn
from . import attention, attention_forge, branches, host
from .branches import Ending
from .conditioning import swapped

UNGUIDED = "the host did not guide this call by CFG, so that a separate push has no place; push cfg"


def call_of(number: int, params: Any, p: Any) -> ModelCall:
    """A call of a CFG-denoiser: for each image its prompt's parts (AND), then the unconds where it evaluates them.

    So AUTOMATIC1111 stacks the latents (sd_samplers_cfg_denoiser.py:203), and Forge the texts of the conds.
    """
    parts = [len(each) for each in p.sampler.sampler_extra_args["cond"].batch]
    rows = [Row(image, Side.COND) for image, count in enumerate(parts) for _ in range(count)]
    if host.uncond_left_out(params, p):
        return ModelCall(number, tuple(rows))
    unconds = len(parts) if host.is_forge() else len(params.x) - len(rows)  # of InstructPix2Pix there are two an image
    rows += [Row(row % len(parts), Side.UNCOND) for row in range(unconds)]
    return ModelCall(number, tuple(rows), host.cfg_of(p) - 1)


class Adapter:
    """Stands between a sampler and its model for one pass: `before` and `after` frame each call."""

    def __init__(self, p: Any, push: Push):
        self._p, self.push, self._guide = p, push, push.guide
        self._hung = ExitStack()
        self._came: Callable[[], None] | None = None  # what is to be done when the call has been made
        self._unused: dict[str, None] = {}

    @property
    def unused(self) -> str:
        """Why calls did not use their uncond, if any did not."""
        return "; ".join(self._unused)

    def before(self, number: int, params: Any) -> bool:
        """on_cfg_denoiser: has the push act in this very call. False where nothing that it could do would change anything."""
        self.left()
        self._came = lambda: self._guide.reached(number, ())
        if self.push.off:
            return True
        if isinstance(self.push, Joined) and (reason := host.uncond_unused(params, self._p)):
            self._unused[reason] = None
            self._guide.record.generation.setdefault("unused", {}).setdefault(reason, []).append(number)
            return False
        with self._guarded(number):
            self._begin(call_of(number, params, self._p), params)
            return True
        self.left()
        return True

    def after(self) -> None:
        """on_cfg_after_cfg: the call has been made."""
        came, self._came = self._came, None
        self.left()
        if came:
            came()

    def left(self) -> None:
        """Takes off what still hangs on the model, where a call has not come to its end."""
        self._came = None
        self._hung.close()

    def plain(self, x: Tensor, denoiser: Any) -> Tensor:
        """Of what the call predicted, x0 or eps [B, C, h, w], that which the oracle is to see: without the push."""
        taken = {} if self.push.off else {image: self.push.taken(image) for image in range(len(x))}
        if not any(each is not None for each in taken.values()):
            return x
        rows = [torch.zeros_like(x[image]) if each is None else each for image, each in taken.items()]
        return x + torch.stack(rows) * branches.share_of(denoiser)

    def _begin(self, call: ModelCall, params: Any) -> None:
        turn = Turn(self.push, call)
        wanted = turn.wanted
        if wanted.texts:
            encoded = next(iter(wanted.texts.values()))
            images = {call.rows[row].image for row in wanted.texts}
            params.text_uncond = swapped(params.text_uncond, encoded.batch, images)
            self._came = turn.reached
        if wanted.appended:
            self._append(turn, call, params)
        if wanted.extra:
            self._end_otherwise(turn, call, params)

    def _append(self, turn: Turn, call: ModelCall, params: Any) -> None:
        """The push is inside attention: it hangs on the model for this call."""
        texts = {call.rows[row].image: text or (None, None) for row, text in turn.wanted.appended.items()}
        rows = [texts.get(image, (None, None)) for image in range(1 + max(row.image for row in call.rows))]
        negative = Negative.of([embeds for embeds, _ in rows], [pooled for _, pooled in rows])
        if negative is None:  # attention would be computed by another kernel than the host's
            return
        pushing = Pushing(turn.wanted.method, negative, lambda: self._guarded(call.number))
        hang = attention_forge.hung if host.is_forge() else attention.hung
        self._hung.enter_context(hang(params, call, pushing))
        nothing = self._came
        self._came = lambda: turn.reached() if pushing.acted and pushing.negative else nothing()

    def _end_otherwise(self, turn: Turn, call: ModelCall, params: Any) -> None:
        """The push changes what CFG gives."""
        ending = Ending(turn, call, params, self._guide.record, lambda: self._guarded(call.number))
        self._hung.enter_context(branches.hung(ending))

        def came() -> None:
            with self._guarded(call.number):
                if not ending.came:
                    raise RuntimeError(UNGUIDED)

        self._came = came

    @contextmanager
    def _guarded(self, number: int) -> Iterator[None]:
        """What goes wrong inside is said, and ends the push; the call under way goes on as the host makes it."""
        with self._guide.guarded(number):
            yield
            return
        self.push.withdraw(number)
