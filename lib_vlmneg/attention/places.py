"""Which attentions of a model push: places are named alike on every host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from ..errors import InputError

ALL = "all"
Where = TypeVar("Where")


def numbered(found: Iterable[tuple[str, Where]]) -> dict[str, Where]:
    """Places by name, counted within each group: down.0, down.1, mid.0.

    `found` gives them in order with their group: down, mid and up in a U-Net, where a place is a spatial transformer; joint
    in SD3, double and single in Flux, cross in Wan, where it is a block.
    """
    counts: dict[str, int] = {}
    places: dict[str, Where] = {}
    for group, place in found:
        number = counts.get(group, 0)
        places[f"{group}.{number}"], counts[group] = place, number + 1
    return places


def chosen(places: Mapping[str, Where], blocks: str) -> set[str]:
    """The names in `places` that `blocks` means: "all", or groups, places and ranges with commas between: "mid, up.0-3".

    Raises InputError for what does not exist.
    """
    if blocks.strip().lower() == ALL:
        return set(places)
    found: set[str] = set()
    for part in filter(None, (part.strip().lower() for part in blocks.split(","))):
        group, _, numbers = part.partition(".")
        first, _, last = numbers.partition("-")
        named = {name for name in places if name == part or (not numbers and name.startswith(f"{group}."))}
        if first.isdigit() and last.isdigit():
            named = {f"{group}.{number}" for number in range(int(first), int(last) + 1)} & set(places)
            named = named if f"{group}.{last}" in places else set()
        if not named:
            raise InputError(f"push_blocks: {part!r} does not exist; there are {_listed(places)}, or say {ALL}")
        found |= named
    if not found:
        raise InputError(f"push_blocks: {blocks!r} names none; there are {_listed(places)}, or say {ALL}")
    return found


def _listed(places: Iterable[str]) -> str:
    """The places in short: down.0-5, mid.0, up.0-8."""
    last: dict[str, int] = {}
    for name in places:
        group, _, number = name.rpartition(".")
        last[group] = max(last.get(group, 0), int(number))
    return ", ".join(f"{group}.0-{number}" if number else f"{group}.0" for group, number in last.items())
