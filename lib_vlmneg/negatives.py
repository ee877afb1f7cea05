"""The ledger: which terms one image is pushed away from at this moment, and the negative prompt that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from .query.answers import weighted
from .query.prompts import parts
from .query.words import key
from .settings import Settings

CHUNK = 75  # tokens that CLIP reads at once, without its start and its end


@dataclass(frozen=True)
class Room:
    """How much a text encoder reads: the tokens of a text, and of how many chunks of them at most (None: of any number)."""

    count: Callable[[str], int]
    chunk: int = CHUNK
    most: int | None = None

    def chunks(self, text: str) -> int:
        """How many chunks a text takes; an empty one takes one."""
        return max(1, -(-self.count(text) // self.chunk))


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


class Ledger:
    """The terms of one image, in the order they came, under the settings' mode and limits."""

    def __init__(self, base: str, settings: Settings, room: Room | None = None):
        self.base = base
        self.terms: tuple[str, ...] = ()
        self.crowded: tuple[str, ...] = ()  # what the last ask found and the encoder has no room for
        self._settings = settings
        self._room = room
        self._theirs = set(parts(base))
        self._asks = 0
        self._heard: dict[str, int] = {}  # the number of the ask in which a term was last heard, by its key

    def text(self) -> str:
        """The negative prompt as it now is."""
        return self._composed(self.terms)

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
        refused = tuple(term for term in new if term not in kept)
        self.crowded = tuple(term for term in refused if self._wanted([*kept, term]))
        return self._become(kept, refused)

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
            if self._wanted([*kept, term]) and self._has_room([*kept, term]):
                kept.append(term)
        return [term for term in self.terms if term in kept] + [term for term in kept if term not in self.terms]

    def _wanted(self, terms: list[str]) -> bool:
        """Whether the settings' own limits allow so many."""
        settings = self._settings
        if settings.max_terms and len(terms) > settings.max_terms:
            return False
        if settings.mode == "window" and len(terms) > settings.window:
            return False
        tokens = self._room.count(self._composed(terms)) if self._room and settings.max_tokens else 0
        return tokens <= settings.max_tokens

    def _has_room(self, terms: list[str]) -> bool:
        """Whether the encoder reads them all behind the user's own: in its chunks, or with `grow` in one more."""
        return self._room is None or self._room.chunks(self._composed(terms)) <= self._most

    @cached_property
    def _most(self) -> int:
        """Chunks that the user's own negative prompt and the terms may take together."""
        most = self._room.chunks(self.base) + self._settings.grow
        return min(most, self._room.most or most)

    def _composed(self, terms: Iterable[str]) -> str:
        return compose(self.base, terms, self._settings.weight, self._settings.prefix)

    def _become(self, terms: list[str], refused: tuple[str, ...] = ()) -> Change:
        before, self.terms = self.terms, tuple(terms)
        added = tuple(term for term in terms if term not in before)
        return Change(added, tuple(term for term in before if term not in terms), refused)
