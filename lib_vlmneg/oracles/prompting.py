"""How a question is put to a model that chats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Prompting:
    """How a question is put. `examples` are pictures with question and answer that come first (VL-DNP, Chang et al. 2025)."""

    instruction: str | None = None  # None: the oracle's own, which asks for a word
    examples: tuple[tuple[Image.Image, str, str], ...] = ()
    vocabulary: tuple[str, ...] = ()  # the only answers that are allowed; empty: any
    tokens: int = 0  # of an answer, at most; 0: the oracle's own
    side: int = 0  # pixels of the longer side of what is shown, at most; 0: the oracle's own


def told(prompting: Prompting) -> dict[str, Any]:
    """As JSON types, without the pictures of the examples."""
    return {
        "instruction": prompting.instruction,
        "examples": [(question, answer) for _, question, answer in prompting.examples],
        "vocabulary": prompting.vocabulary,
        "tokens": prompting.tokens,
        "side": prompting.side,
    }


def heard(said: dict[str, Any] | None, images: Sequence[Image.Image]) -> tuple[list[Image.Image], Prompting | None]:
    """The other way, where the pictures of the examples are the last of `images`: the others, and the prompting."""
    if said is None:
        return list(images), None
    count = len(images) - len(said["examples"])
    examples = tuple((image, *texts) for image, texts in zip(images[count:], said["examples"]))
    return list(images[:count]), Prompting(**{**said, "examples": examples, "vocabulary": tuple(said["vocabulary"])})
