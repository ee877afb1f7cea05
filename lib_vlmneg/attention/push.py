"""A push as the user asks for it, and what it does in one call of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from torch import Tensor

from ..errors import InputError
from .methods import Method, ValueSignFlip, number
from .negative import Joined, Negative, joined
from .places import ALL

Guard = Callable[[], AbstractContextManager]  # what goes wrong inside is dealt with there


@dataclass(frozen=True)
class AttentionPush:
    """A method, where in the model (`blocks`, see places.chosen) and when (`start`, `end`, shares of the run from 0 to 1).

    `compat` is the public VSF code's way on SD3, see negative.joined; `pooled` how far the pooled text is led away from the
    negative's (Flux), 1 for not at all. Raises InputError.
    """

    method: Method = field(default_factory=ValueSignFlip)
    blocks: str = ALL
    start: float = 0.0
    end: float = 1.0
    compat: bool = False
    pooled: float = 1.0

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, number(f"push_{name}", getattr(self, name), high=1.0))
        object.__setattr__(self, "pooled", number("push_pooled", self.pooled))
        if self.start >= self.end:
            raise InputError(f"push_start: {self.start:g} is not before push_end {self.end:g}; move one of them")

    def at(self, progress: float) -> bool:
        """Whether it pushes at this share of the run."""
        return self.start <= progress < self.end


class Pushing:
    """A push in one call of a WebUI's model: what its images are pushed away from, None once it has failed.

    What fails in it fails inside `guard()`; where that raises nothing, the call goes on without. `acted` says whether any
    attention has read the negative.
    """

    def __init__(self, push: AttentionPush, negative: Negative | None, guard: Guard = nullcontext):
        self.push, self.negative, self.guard = push, negative, guard
        self.acted = False
        self._prompt: Tensor | None = None
        self._images: Sequence[int | None] = ()
        self._joined: Joined | None = None

    def text(self, prompt: Tensor, images: Sequence[int | None]) -> Joined | None:
        """What rows with this prompt [R, T, D] read; `images` has the image that each belongs to, None for an uncond's.

        None if nothing pushes.
        """
        if self.negative is None or all(image is None for image in images):
            return None
        if self._prompt is not prompt or self._images != images:  # all blocks are handed the same
            self._prompt, self._images = prompt, images
            self._joined = joined(prompt, self.negative.rows(images), self.push.compat)
        return self._joined

    def failed(self) -> None:
        """Pushes no more in this call."""
        self.negative = None
