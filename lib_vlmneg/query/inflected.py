"""Words of a term and of a prompt in other languages: one root, whatever the ending: "Katze" is in "zwei Katzen"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache

from .data import groups

_ROOT = 3  # letters of a root at the least
_SCRIPTS = {"russian": re.compile("[\u0400-\u04ff]"), "greek": re.compile("[\u0370-\u03ff]")}


def same_root(word: str, other: str, words: Collection[str]) -> bool:
    """Whether two words are one but for the ending, in the language of the prompt's `words`."""
    return any(_root(word, language) & _root(other, language) for language in _languages(words))


def _languages(words: Collection[str]) -> list[str]:
    found = [name for name, script in _SCRIPTS.items() if any(map(script.search, words))]
    return found + [
        name.removesuffix(" words")
        for name, shown in groups("inflections").items()
        if name.endswith(" words") and not set(shown).isdisjoint(words)
    ]


@cache
def _endings(language: str) -> tuple[str, ...]:
    return tuple(sorted(groups("inflections")[f"{language} endings"], key=len, reverse=True))


def _root(word: str, language: str) -> frozenset[str]:
    """The word and what is left of it without its ending, without accents: "Häuser" is "haus"."""
    roots = {word} | {word[: -len(ending)] for ending in _endings(language) if word.endswith(ending)}
    return frozenset(_unaccented(root) for root in roots if len(root) >= _ROOT)


def _unaccented(word: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))
