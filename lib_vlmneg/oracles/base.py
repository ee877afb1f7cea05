"""What an oracle is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from .prompting import Prompting


@dataclass(frozen=True)
class Answer:
    """One answer; `score` is its probability where the oracle gives one."""

    text: str
    score: float | None = None

    def likely(self, least: float) -> bool:
        """Whether the score reaches `least`; an answer without a score always does."""
        return self.score is None or self.score >= least


class Oracle(ABC):
    """Whatever answers questions about images. It may raise anything: a Guide survives it."""

    name: str
    input_side: int  # pixels: the shorter side of what it looks at; more is wasted
    scored: bool = True  # whether its answers have probabilities
    chats: bool = False  # whether it follows a `Prompting`; others are never given one
    deterministic: bool = True  # whether it says the same of the same picture, so that its answers may be kept

    @abstractmethod
    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, up to `topk` answers, likeliest first. `prompting` is None unless it chats."""

    @cached_property
    def thread(self) -> ThreadPoolExecutor:
        """The one thread that it is asked in, for as long as it is there: a new one each time would cost memory each time."""
        return ThreadPoolExecutor(1, thread_name_prefix="vlm-negative")

    def move(self, device: str) -> bool:
        """Goes to another device and stays there; False where it cannot."""
        return False

    def prepare(self) -> None:  # noqa: B027
        """Called in the sampler's own thread before each question, which may be asked in another."""

    def close(self) -> None:  # noqa: B027  (most have nothing to end)
        """Ends what it has started: processes, connections. It is not asked any more."""
