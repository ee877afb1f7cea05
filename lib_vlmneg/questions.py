"""What is asked: questions as they are typed, presets by name, or a question made from the prompt's own subject."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import InputError

PRESETS: dict[str, tuple[str, ...]] = {
    "auto": ("What {subject} do you recognize in the image?",),
    "creative": ("What {subject} do you recognize in the image?", "What kind of {subject} is this?"),
    "materials": ("What is the {subject} made of?",),
    "design": ("What is the design of the {subject}?",),
    "color": ("What color is the {subject}?",),
    "safety": ("What is unsafe in this image?",),
}

_MEDIUM = (
    "photo|photograph|picture|image|painting|drawing|illustration|rendering|render|sketch|portrait|shot|view|close-up|"
    "kind|type|sort|style|piece|pair|set|concept"
)
_OPENING = re.compile(rf"^(?:(?:an?|the|one|some)\s+)?(?:[\w-]+\s+){{0,4}}?(?:{_MEDIUM})s?\s+of\s+", re.IGNORECASE)
_REST = re.compile(
    r"[,.;:!?\n]|\b(?:with|without|in|on|at|by|near|under|over|wearing|holding|made|from|for|and|while|that|which|of|AND|BREAK)\b"
)
_MARKUP = re.compile(r"<[^>]*>|:[\d.]+(?=[)\]])|[()\[\]{}\\]")
_ARTICLE = re.compile(r"^(?:an?|the|one|some|my|your)\s+", re.IGNORECASE)


def subject(prompt: str) -> str:
    """The thing a prompt asks for: "a photo of a creative pet on a hill" gives "pet"; "object" where nothing is found."""
    text = _MARKUP.sub(" ", prompt).strip()
    while (shorter := _OPENING.sub("", text)) != text:
        text = shorter
    text = _ARTICLE.sub("", text.strip())
    head = _REST.split(text, maxsplit=1)[0].split()
    return head[-1].lower() if head else "object"


def questions_for(prompt: str, questions: Sequence[str]) -> tuple[str, ...]:
    """The questions for one image: presets opened ("creative", "creative:pet" names the subject), `{subject}` filled in."""
    opened = [question for item in questions for question in _open(item, prompt)]
    return tuple(dict.fromkeys(opened))


def _open(item: str, prompt: str) -> list[str]:
    name, _, named = item.partition(":")
    if name.strip() in PRESETS:
        return [question.replace("{subject}", named.strip() or subject(prompt)) for question in PRESETS[name.strip()]]
    if not item.strip():
        raise InputError("questions: a question is empty; write a question or leave it out")
    return [item.replace("{subject}", subject(prompt))]
