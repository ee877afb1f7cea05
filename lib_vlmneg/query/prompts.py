"""What a prompt asks for, as people type it: with weights, editing, tags, LoRAs, other scripts, and what it denies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from .data import either, english, groups, lines
from .denial import affirmed
from .inflected import same_root
from .signs import COMMAS, unspaced
from .words import ARTICLE, key, spelled, stems

_NETWORK = re.compile(r"<[^<>]*>|\bembedding:\S+|__[\w/*.-]+__|\{\d+\$\$|\$\{[^}]*\}|@\w+")  # and wildcards
_AND = r"\bAND(?:_\w+)?\b"
_BELOW_0 = r":\s*-\s*[\d.]+"
_NEGATIVE = re.compile(rf"\((?:[^():]|\([^()]*\))*{_BELOW_0}\s*\)")
_NEGATIVE_AND = re.compile(rf"{_AND}(?:(?!{_AND}).)*?{_BELOW_0}(?=\s*(?:\bAND\b|$))", re.DOTALL)
_NOT_WANTED = re.compile(r"--no\s+.*$|\bnegative prompt:.*$", re.IGNORECASE | re.DOTALL)
_SERIES = re.compile(r"\\\([^()]*\\\)")  # whose a character is, in tags
_WEIGHT = re.compile(r":\s*-?\d*\.?\d+(?=\s*(?:[)\]},]|\bAND\b|$))")
_BETWEEN = re.compile(rf"\s*(?:[;\n\r|{COMMAS}\uff0c]|\bBREAK\b|{_AND}|::|[.!?](?=\s|$)|\u3002)\s*")  # parts
_CHOICE = re.compile(r"[\[{]([^\[\]{}|:]*)[|:]([^\[\]{}]*)[\]}]")
_BRACKETS = re.compile(r"[()\[\]{}]|(?<=\s):|:(?=\s|$)|\\")
_COUNT = re.compile(rf"(?<!\w)\d+\+?\s?({either(english('counted'))})(?!\w)")
_WHERE = re.compile(r"\s+(?:with|in|on|of|at|under|near|from|behind|wearing|holding|without|for)\s+.*")


def plain(prompt: str, first: bool = False) -> str:
    """The words of a prompt without its syntax, its LoRAs, and what it weights negatively; parts between commas.

    All choices of an edit or an alternation ("[cat:dog:0.5]", "[cat|dog]") count, or the `first` alone.
    """
    text = _NOT_WANTED.sub("", _SERIES.sub(" ", prompt))
    text = _NEGATIVE.sub(" ", _NETWORK.sub(" ", _NEGATIVE_AND.sub(" ", text)))
    text = _WEIGHT.sub(" ", text)
    while (chosen := _CHOICE.sub(r"\1" if first else r"\1 \2", text)) != text:
        text = chosen
    return re.sub(r"\s+", " ", _BRACKETS.sub(" ", _BETWEEN.sub(", ", text)).replace("_", " ")).strip(" ,")


def parts(text: str) -> tuple[str, ...]:
    """The keys of a negative prompt's own terms, however they are parted and emphasised."""
    pieces = (ARTICLE.sub("", spelled(piece).strip()) for piece in plain(text).split(","))
    return tuple(dict.fromkeys(key(piece) for piece in pieces if piece.strip()))


def asked_for(term: str, prompt: str) -> bool:
    """Whether a prompt asks for a term: by name in any number, by another word for it, or by a kind of it (animal: "a dog").

    What the prompt denies or weights negatively is not asked for; nor are kinds of what it asks for (a poodle by "a dog").
    """
    wanted = _wanted(prompt)
    bare = spelled(term)
    if unspaced(bare) and any(bare in part for part, _ in wanted):
        return True
    names = {key(bare), key(_WHERE.sub("", bare)), *_meant(key(bare))}
    if any(_holds(words, _joined(name.split())) for _, words in wanted for name in names):
        return True
    return any(_inflected(bare.split(), part.split()) for part, _ in wanted)


def unasked(terms: Iterable[str], prompt: str, negate_prompt: bool) -> list[str]:
    """The terms, in order, less what the prompt asks for, unless that is to be negated too."""
    return [term for term in terms if negate_prompt or not asked_for(term, prompt)]


@lru_cache(maxsize=64)  # a host runs for days, and each prompt is another
def _wanted(prompt: str) -> tuple[tuple[str, list[str]], ...]:
    """The parts that a prompt asks for, as text and as words to compare."""
    text = _COUNT.sub(r"\1", spelled(plain(prompt)))
    return tuple((part, _joined(stems(part))) for piece in text.split(",") for part in affirmed(piece))


def _holds(words: list[str], name: list[str]) -> bool:
    """Whether a name stands in a part, written as one word or several: "firetruck", "fire-truck"."""
    closed = "".join(name)
    runs = (words[index : index + length] for length in {1, 2, 3, len(name)} for index in range(len(words) - length + 1))
    return bool(name) and any(run == name or "".join(run) == closed for run in runs)


def _joined(words: list[str]) -> list[str]:
    """The words, those of a name that is no kind of its last word as one: "hot dog" has no "dog"."""
    text = f" {' '.join(words)} "
    return _other().sub(lambda name: f" {name[1].replace(' ', '')} ", text).split()


@cache
def _other() -> re.Pattern[str]:
    return re.compile(rf" ({either(map(key, groups('compounds')['another']))})(?= )")


def _inflected(term: list[str], words: list[str]) -> bool:
    """Whether all words of a term stand in a part side by side, whatever their endings."""
    places = range(len(words) - len(term) + 1)
    return any(all(same_root(word, other, words) for word, other in zip(term, words[place:])) for place in places)


@lru_cache(maxsize=1024)
def _meant(name: str) -> frozenset[str]:
    """Other words for the same thing, and all kinds of it, as keys."""
    found: set[str] = set()
    todo = [name]
    while todo:
        if (one := todo.pop()) not in found:
            found.add(one)
            todo += _related().get(one, ())
    return frozenset(found - {name})


@cache
def _related() -> dict[str, tuple[str, ...]]:
    """For each word its synonyms and, where it is a general one, its kinds; as keys."""
    found: dict[str, list[str]] = {}
    for general, kinds in groups("kinds").items():
        found.setdefault(key(general), []).extend(map(key, kinds))
    for line in lines("synonyms"):
        same = [key(word) for word in line.split(",")]
        for word in same:
            found.setdefault(word, []).extend(same)
    return {name: tuple(others) for name, others in found.items()}
