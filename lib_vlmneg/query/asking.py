"""What an oracle is asked about a picture, and what of its answers the picture is pushed away from."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from ..oracles.base import Answer, Oracle
from ..oracles.prompting import Prompting
from ..settings import Settings
from .answers import terms
from .prompts import unasked
from .questions import questions_for
from .spotting import spotted
from .vocabulary import Vocabulary
from .words import stem

Answers = Sequence[Sequence[Answer]]  # for each question, likeliest first
LIST = "Answer with those that you see, separated by commas, and with nothing else. If you see none of them, answer: none."
LIST_TOKENS = 64
HALF = 0.5
NO_ARTICLE = ("genitalia", "feet", "people", "blood", "gore", "fire", "smoke", "hair", "skin", "nudity", "violence", "text")


@dataclass(frozen=True)
class Asked:
    """A question that is on its way: about which images, by their number in the batch."""

    step: int
    sigma: float | None
    pictures: dict[int, Image.Image]
    answers: Future[Any]


class Questions:
    """The settings' own questions; what is answered to them, cleaned, are the terms."""

    def __init__(self, settings: Settings, oracle: Oracle | None):
        self._settings = settings
        self.topk = settings.topk
        chats = bool(oracle and oracle.chats)
        self.prompting = Prompting(side=settings.oracle_size) if chats and settings.oracle_size else None

    def about(self, prompt: str) -> tuple[str, ...]:
        """What is asked of one image."""
        return questions_for(prompt, self._settings.questions)

    def terms(self, answers: Answers, prompt: str) -> tuple[str, ...]:
        """What one image is to be pushed away from."""
        settings = self._settings
        return terms(self._likely(answers), prompt, settings.suffix, settings.negate_prompt)

    def _likely(self, answers: Answers) -> list[str]:
        return [answer.text for group in answers for answer in group if answer.likely(self._settings.min_score)]


class Heard(Questions):
    """The settings' own questions; the items of a vocabulary that are named in the answers are the only terms."""

    def __init__(self, settings: Settings, oracle: Oracle | None, vocabulary: Vocabulary):
        super().__init__(settings, oracle)
        self.vocabulary = vocabulary

    def terms(self, answers: Answers, prompt: str) -> tuple[str, ...]:
        """As the base: less what the prompt asks for, unless that is negated too."""
        return tuple(unasked(self._found(answers), prompt, self._settings.negate_prompt))

    def _found(self, answers: Answers) -> tuple[str, ...]:
        return spotted(". ".join(self._likely(answers)), self.vocabulary.items)


class Listed(Heard):
    """The items of a vocabulary are asked for (VL-DNP, Chang et al. 2025), and are the only terms.

    An oracle that chats is asked for all at once. Of another each item is asked by itself, in one batch, to be answered by yes
    or no; it counts where yes has at least `min_score` of the probability of the two, by default half of it.
    """

    def __init__(self, settings: Settings, oracle: Oracle | None, vocabulary: Vocabulary):
        super().__init__(settings, oracle, vocabulary)
        self._at_once = bool(oracle and oracle.chats)
        self.topk = 1 if self._at_once else 2
        quoted = ", ".join(vocabulary.items)
        self._question = f'{vocabulary.question} "{quoted}"'
        if self._at_once:
            examples = tuple((image, self._question, answer) for image, answer in vocabulary.examples)
            self.prompting = Prompting(LIST, examples, tokens=LIST_TOKENS, side=settings.oracle_size)

    def about(self, prompt: str) -> tuple[str, ...]:
        """As the base."""
        return (self._question,) if self._at_once else tuple(map(presence, self.vocabulary.items))

    def _found(self, answers: Answers) -> tuple[str, ...]:
        if self._at_once:
            return spotted(". ".join(answer.text for group in answers for answer in group), self.vocabulary.items)
        least = self._settings.min_score or HALF
        return tuple(item for item, group in zip(self.vocabulary.items, answers) if affirmation(group) >= least)


def asking(settings: Settings, oracle: Oracle | None, vocabulary: Vocabulary | None) -> Questions:
    """How this oracle is asked for what the settings want."""
    if vocabulary is None:
        return Questions(settings, oracle)
    return (Heard if settings.only else Listed)(settings, oracle, vocabulary)


def prefixed(settings: Settings, vocabulary: Vocabulary | None) -> Settings:
    """The settings with the vocabulary's own prefix, where they have none."""
    return replace(settings, prefix=vocabulary.prefix) if vocabulary and not settings.prefix else settings


def side_of(settings: Settings, oracle: Oracle) -> int:
    """Pixels of the shorter side of what the oracle is shown; more is wasted."""
    return settings.oracle_size if oracle.chats and settings.oracle_size else oracle.input_side


def presence(item: str) -> str:
    """Whether an item is there, as a question."""
    last = item.split()[-1].lower()
    bare = last in NO_ARTICLE or stem(last) != last
    article = "" if bare else "an " if item[0].lower() in "aeiou" else "a "
    return f"{'Are' if bare and stem(last) != last else 'Is'} there {article}{item} in the image?"


def affirmation(answers: Sequence[Answer]) -> float:
    """How likely yes is among yes and no, from 0 to 1; by the first answer alone where answers have no scores."""
    said = {answer.text.strip(" .!").lower(): answer.score for answer in reversed(answers)}
    if any(score is None for score in said.values()):
        return float(bool(answers) and answers[0].text.strip().lower().startswith("yes"))
    yes, no = (said.get(word) or 0.0 for word in ("yes", "no"))
    other = max((score or 0.0 for word, score in said.items() if word not in ("yes", "no")), default=0.0)
    return yes / (yes + max(no, other)) if yes else 0.0
