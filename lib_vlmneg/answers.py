"""From what a model says to clean terms of a negative prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LEADS = (
    "the", "a", "an", "it is", "this is", "that is", "it's", "there is", "there are", "i see", "i can see",
    "it appears to be", "it looks like", "seems to be", "appears to be", "looks like", "yes",
)  # fmt: skip
_LEAD = re.compile(rf"^(?:{'|'.join(sorted(_LEADS, key=len, reverse=True))})(?![\w'-])[\s,:]*")
_NOTHING = frozenset(
    "i a an the is are am be it to of in on at by for with no yes not and or none nothing unknown error unclear unsure n/a na "
    "undefined other something thing".split()
)
_REFUSAL = re.compile(
    r"\b(?:sorry|cannot|can't|can not|could not|couldn't|unable|don't know|do not know|not sure|not clear|not possible|"
    r"as an ai|(?:not|\w+n't) (?:see|any|an?)|no (?:dog|cat|animal|object|person|answer|idea)|neither)\b"
)
_SPLIT = re.compile(r"[,;\n/|]|\s+and\s+|\s+or\s+|\s*&\s*|\.\s+|\.$")
_SYNTAX = re.compile(r"[^\w\s'-]|_")
_MARKUP = re.compile(r"[^\w\s'.,;/|&-]|_")  # all but what parts two terms
_BLANKS = re.compile(r"[^\S\n]+")
MOST_WORDS = 6  # a longer answer is a sentence, not a term


def clean(raw: str) -> tuple[str, ...]:
    """The terms in one answer, in lower case: "It is a dog and a Cat." gives ("dog", "cat"), a refusal gives ().

    Whatever has a meaning in prompt syntax (brackets, colons, angle brackets) is taken out. After `clean_vqa_answer` of the
    public code of Golan et al. 2025.
    """
    text = _BLANKS.sub(" ", _MARKUP.sub(" ", raw.lower().replace("\u2019", "'"))).strip()
    if _REFUSAL.search(text):
        return ()
    terms = (_term(part) for part in _SPLIT.split(text))
    return tuple(dict.fromkeys(term for term in terms if term))


def _term(part: str) -> str:
    part = " ".join(_SYNTAX.sub(" ", part).split()).strip("'- ")
    while (shorter := _LEAD.sub("", part).strip("'- ")) != part:
        part = shorter
    words = part.split()
    if words[:1] in (["no"], ["not"], ["without"]):
        return ""  # "no flag" says that there is none
    useless = len(part) < 2 or len(words) > MOST_WORDS or all(word in _NOTHING for word in words) or part.isdigit()
    return "" if useless else part


def terms(raw: Iterable[str], prompt: str, suffix: str = "", negate_prompt: bool = False) -> tuple[str, ...]:
    """The terms of several answers, once each, with the suffix (wood: "wood building"), less what the prompt asks for."""
    found = dict.fromkeys(term for answer in raw for term in clean(answer))
    wanted = [term for term in found if negate_prompt or not asked_for(term, prompt)]
    return tuple(dict.fromkeys(_suffixed(term, suffix) for term in wanted))


def named(raw: Iterable[str], vocabulary: Iterable[str]) -> tuple[str, ...]:
    """Those of the vocabulary that the answers name: with (dagger,) of "a big Dagger and a hat" dagger, of "no dagger" none.

    After the string match of VL-DNP's public code (Chang, Kim and Choi 2025), but by whole words.
    """
    said = [term for answer in raw for term in clean(answer)]
    return tuple(word for word in vocabulary if any(asked_for(word, term) for term in said))


def asked_for(term: str, prompt: str) -> bool:
    """Whether the prompt itself names this term, as whole words, in singular or plural."""
    words, asked = _stems(term), _stems(prompt)
    return any(asked[index : index + len(words)] == words for index in range(len(asked) - len(words) + 1))


def stem(word: str) -> str:
    """A word without its plural ending, for comparison only."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes", "buses")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def key(term: str) -> str:
    """What makes two terms the same: their words without plural endings."""
    return " ".join(_stems(term))


def weighted(term: str, weight: float) -> str:
    """The term as a prompt writes its emphasis."""
    return term if weight == 1 else f"({term}:{round(weight, 3):g})"


def _stems(text: str) -> list[str]:
    return [stem(word) for word in re.findall(r"\w+(?:['-]\w+)*", text.lower())]


def _suffixed(term: str, suffix: str) -> str:
    suffix = " ".join(_SYNTAX.sub(" ", suffix).split())
    return term if not suffix or key(term).split()[-1:] == key(suffix).split()[-1:] else f"{term} {suffix}"
