"""The ledger: which terms one image is pushed away from at this moment, and the negative prompt that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .query.answers import weighted
from .query.prompts import parts
from .query.words import key
from .settings import Settings

CHUNK = 75  # tokens that CLIP reads at once, without its start and its end

CountTokens = Callable[[str], int]


@dataclass(frozen=True)
class Change:
    """What one answer did: the terms that came, the terms that went, and those that found no room."""

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped)


def compose(base: str, terms: Iterable[str], weight: float = 1.0, prefix: str = "") -> str:
    """The user's own negative prompt, whole and first; where there are terms, the prefix as it is, then the terms."""
    terms = tuple(terms)
    if not terms:
        return base
    parts = [*(text.strip().rstrip(",").rstrip() for text in (base, prefix)), *(weighted(term, weight) for term in terms)]
    return ", ".join(part for part in parts if part)


def chunks(tokens: int) -> int:
    """How many chunks of 75 tokens this many take; an empty text takes one."""
    return max(1, -(-tokens // CHUNK))


class Ledger:
    """The terms of one image, in the order they came, under the settings' mode and limits."""

    def __init__(self, base: str, settings: Settings, count_tokens: CountTokens | None = None):
        self.base = base
        self.terms: tuple[str, ...] = ()
        self._settings = settings
        self._count = count_tokens
        self._theirs = set(parts(base))
        self._asks = 0
        self._heard: dict[str, int] = {}  # the number of the ask in which a term was last heard, by its key

    def text(self) -> str:
        """The negative prompt as it now is."""
        return compose(self.base, self.terms, self._settings.weight, self._settings.prefix)

    def hear(self, found: Iterable[str]) -> Change:
        """Takes the terms of one ask, the likeliest first, and says what changed.

        Where there is no room for all, what is heard again stays before what is new, what is new before what was not heard
        this time, and of that the last heard: the same answer, in whatever order, changes nothing.
        """
        fresh: dict[str, str] = {}
        for term in found:
            if key(term) not in self._theirs:
                fresh.setdefault(key(term), term)
        self._asks += 1
        self._heard.update(dict.fromkeys(fresh, self._asks))
        old = {key(term): term for term in self.terms}
        again = [term for name, term in old.items() if name in fresh]
        new = [term for name, term in fresh.items() if name not in old]
        rest = [] if self._settings.mode == "replace" else [term for name, term in old.items() if name not in fresh]
        kept = self._fitting([*again, *new, *sorted(rest, key=self._place, reverse=True)])
        return self._become(kept, refused=tuple(term for term in new if term not in kept))

    def clear(self) -> Change:
        """Drops all terms; the user's own negative prompt stays."""
        return self._become([])

    def _place(self, term: str) -> tuple[int, int]:
        """When a term was last heard, and its place among the terms: the larger, the longer it stays."""
        return self._heard[key(term)], self.terms.index(term)

    def _fitting(self, wanted: list[str]) -> list[str]:
        """Of the terms, the first wanted first, as many as the limits allow; in the order they came."""
        kept: list[str] = []
        for term in wanted:
            if self._allowed([*kept, term]):
                kept.append(term)
        return [term for term in self.terms if term in kept] + [term for term in kept if term not in self.terms]

    def _allowed(self, terms: list[str]) -> bool:
        settings = self._settings
        if settings.max_terms and len(terms) > settings.max_terms:
            return False
        if settings.mode == "window" and len(terms) > settings.window:
            return False
        if self._count is None:
            return True
        tokens = self._count(compose(self.base, terms, settings.weight, settings.prefix))
        if settings.max_tokens and tokens > settings.max_tokens:
            return False
        return settings.grow or chunks(tokens) <= chunks(self._count(self.base))

    def _become(self, terms: list[str], refused: tuple[str, ...] = ()) -> Change:
        before, self.terms = self.terms, tuple(terms)
        added = tuple(term for term in terms if term not in before)
        return Change(added, tuple(term for term in before if term not in terms), refused)
