"""A push as the user asks for it, and what it is at this moment of a generation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import InputError
from .methods import Method, ValueSignFlip, number
from .negative import Joined, Negative
from .places import ALL


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

    def check(self, family: str) -> None:
        """Raises InputError for what a family of models (unet, sd3, flux, wan) has not."""
        if self.compat and (family != "sd3" or self.method.name != "vsf"):
            raise InputError(
                f"push_compat: the public code's way is for vsf on SD3, not {self.method.name} on {family}; switch it off"
            )
        if self.pooled != 1 and family != "flux":
            raise InputError(f"push_pooled: {self.pooled:g} is for Flux, not {family}; leave it at 1")

    def at(self, progress: float) -> bool:
        """Whether it pushes at this share of the run."""
        return self.start <= progress < self.end


@dataclass
class Pushing:
    """The state of one generation, which attachments read: `negative` from the next model call on, None for no push.

    `progress` is the share of the run that lies behind. `text` is the text of the model call under way, None between calls
    and in calls that nothing pushes.
    """

    push: AttentionPush
    negative: Negative | None = None
    progress: float = 0.0
    text: Joined | None = None

    def wanted(self) -> Negative | None:
        """What the next model call is pushed away from."""
        return self.negative if self.push.at(self.progress) else None
