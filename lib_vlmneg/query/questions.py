"""What is asked: questions as they are typed, presets by name, or a question made from the prompt's own subject."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from .subject import subject

DEFAULT = "What is the main object in this image?"
PRESETS: dict[str, tuple[str, ...]] = {
    "auto": ("What {subject} do you recognize in the image?",),
    "creative": ("What {subject} do you recognize in the image?", "What kind of {subject} is this?"),
    "materials": ("What is the {subject} made of?",),
    "design": ("What is the design of the {subject}?",),
    "color": ("What color is the {subject}?",),
    "safety": ("What is unsafe in this image?",),
}
OBJECT = "object"  # in place of a subject that is not found, in a question that was typed


def questions_for(prompt: str, questions: Sequence[str]) -> tuple[str, ...]:
    """The questions for one image: presets opened ("creative", "creative:pet" names the subject), `{subject}` filled in.

    A preset asks the default question if the prompt has no subject. Raises InputError for an empty question.
    """
    opened = [question for item in questions for question in _open(item, prompt)]
    return tuple(dict.fromkeys(opened))


def _open(item: str, prompt: str) -> list[str]:
    """The questions of one item: all of a preset, or the one that was typed."""
    name, _, named = item.partition(":")
    if name.strip() in PRESETS:
        thing = named.strip() or subject(prompt)
        return [_filled(question, thing) for question in PRESETS[name.strip()]]
    if not item.strip():
        raise InputError("questions: a question is empty; write a question or leave it out")
    return [item.replace("{subject}", subject(prompt) or OBJECT)]


def _filled(question: str, thing: str | None) -> str:
    if "{subject}" not in question:
        return question
    return question.replace("{subject}", thing) if thing else DEFAULT
