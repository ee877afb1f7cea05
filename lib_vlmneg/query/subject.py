"""The subject of a prompt: the one thing that it is about."""

from __future__ import annotations

import re
from functools import cache

from .data import either, english, groups, lines, patterns
from .prompts import plain
from .signs import DASHES
from .words import key, spelled, stem

# parts that are no subject: tags such as "score_9", "by somebody", "an oil painting", "soft lighting"
_TAG = re.compile(
    rf"{either(english('dated'))}?[ _]*\d[\w .]*(?:up)?"
    rf"|{either(english('credits'))} .*|(?:artist|style)\s*:.*|\w+ism"
    rf"|(?:[\w-]+ ){{0,4}}{either(english('pictures'))}"
    rf"|(?:[\w-]+ ){{0,3}}{either(english('qualities'))}"
)
_PLACE = re.compile(rf"{either(english('places'))}\s")

# what stands before a subject: "draw me", "there is", "a photo of", "two"
_PLEASE = r"(?:please|can you|could you|i want(?: to see)?|i'd like|i would like|show me|give me|imagine|let's see) "
_ORDER = re.compile(rf"^(?:{_PLEASE})*(?:{either(english('draws'))}(?: me| us| for me)? )?")
_THERE = re.compile(
    r"^(?:there's|there (?:is|are|was|were|stands?|lies|sits)|here (?:is|are)|this is|these are|it's|it is|we see|you see"
    r"|the (?:image|picture|photo|scene) (?:shows|depicts|features)"
    r"|(?:on|in|at|under|over) (?:the|a|an) [\w ]+?,? (?:there (?:is|are)|stands|sits|lies)"
    r"|(?:the |its |our )?(?:main )?(?:subject|focus|focal point|protagonist|hero|main character|centerpiece)"
    r"(?: of (?:the|this) (?:image|picture|photo|scene|painting|shot))?(?: is(?: on)?| :|:)"
    r"|(?:the|this) (?:image|picture|photo|scene|painting|shot|illustration) (?:is of|is about|(?:centers|centres|focuses) on)"
    r"|featuring|depicting|showing|subject|of)\s+"
)
_SCENE = re.compile(  # a sentence that only says when it is
    rf"(?:it(?:'s| is| was)|the (?:time|season|weather|hour|sky|air) is|(?:early|late|mid)[ -](?!\w+ed\b))"
    rf"[^,]*?\b{either(english('moments'))}(?=\s*$|,|\s(?:in|on|at|and|over|of|with|when|by|near|outside|inside)\b).*"
)
_STYLED = re.compile(
    r"\s+(?:in|after) (?:the|a) (?:style|manner|spirit) of [\w'. -]{1,40}?(?=\s+(?:of|showing|depicting|featuring)\s)"
)
_FAR = re.compile(
    rf"(?:deep|high|far|low|somewhere|just|right|once|out|up|down|halfway|late|early|long ago)\s+{either(english('places'))}\s"
)
_OF = r"(?:of|showing|depicting|featuring|shows?|depicts?|features|captures|portrays)"
_COUNT = re.compile(rf"^(?:\d+\+?|{either(english('counts'))})\s+(?=\S)")
_GIRLS = re.compile(rf"^\d+\+?(?={either(english('counted'))}\b)")
_ONE = re.compile(r"(?:an?|one|this|that)\s")

# what stands behind a subject
_END = re.compile(rf"\s(?:[-&:+{DASHES}]|{either(english('places', 'joins', 'verbs', 'states'))})(?=\s|$)")
_ADVERB = re.compile(r"\w+ly")
_DONE = re.compile(r"\w+ed|mid-\w+")


def subject(prompt: str) -> str | None:
    """The thing a prompt is about, one word as it is typed: "1girl, solo" gives "girl", "a photo of a red fox" "fox".

    None if it has none: only tags of quality and style, a LoRA, or nothing at all.
    """
    begun = ""
    parts = re.split(r"\s*,\s*", plain(prompt, first=True))
    for part in [*filter(_GIRLS.match, parts), *parts]:
        part = f"{begun} {part}".strip()
        begun = part if _described(part.lower().split()) else ""
        if not begun and (found := _subject(part)):
            return found
    return None


def _described(words: list[str]) -> bool:
    """Whether this is an article with adjectives alone, like the first part of "a small, round robot"."""
    adjectives = (word in lines("adjectives") or word in english("degrees") or _ADVERB.fullmatch(word) for word in words[1:])
    return len(words) > 1 and words[0] in ("a", "an", "the", "one") and all(adjectives)


def _subject(part: str) -> str | None:
    """The subject of one part of a prompt, None if it has none."""
    said = _STYLED.sub("", spelled(part).strip(" .-!?"))
    text, one = _unopened(said)
    if not text or text in _tags() or _TAG.fullmatch(text) or _PLACE.match(text) or _FAR.match(text) or _SCENE.match(said):
        return None
    if text in lines("moods") or all(map(_of_mood, text.split())):
        return None
    words = _before_the_verb(_END.split(f"{text} ", maxsplit=1)[0].split(), one)
    while len(words) > 1 and _no_thing(words[-1], words[-2]):
        words.pop()
    for length in (3, 2):
        if len(words) >= length and key(" ".join(words[-length:])) in _compounds():
            return " ".join(words[-length:])
    word = re.sub(r"'s$|^[^\w]+|[^\w]+$", "", words[-1]) if words else ""
    word = word.rsplit("-", 1)[-1] if word.split("-")[0].isdigit() else word
    return word if word and not word.isdigit() and word not in _tags() else None


def _unopened(text: str) -> tuple[str, bool]:
    """Without "draw me", "a photo of", articles and counts; whether the last of these said that it is one thing."""
    last, one = "", False
    while text != last:
        last = text
        text = _GIRLS.sub("", _THERE.sub("", _ORDER.sub("", text)))
        text = _picture().sub("", text)
        one = bool(_ONE.match(text)) or (one and text == last)
        text = _COUNT.sub("", text) if len(text.split()) > 1 else text
        text = text.strip()
    return text, one


@cache
def _picture() -> re.Pattern[str]:
    """What calls a subject a picture, a group or a sort of it: "a big oil painting of", "a herd of"."""
    before = r"(?:(?!(?:that|which|who|with|in|on)\b)[\w'-]+\s+){0,5}?"
    return re.compile(rf"^{before}(?:{'|'.join(patterns('mediums'))})\s+{_OF}\s+")


def _before_the_verb(words: list[str], one: bool) -> list[str]:
    """Up to a word in -ing that says what is being done: "cats playing" is about cats, "a flying pig" about a pig.

    So does a word in -s where the subject is `one` thing: "an owl glides".
    """
    for index, word in enumerate(words[1:], 1):
        following = words[index + 1] if index + 1 < len(words) else ""
        before = words[index - 1]
        if word.endswith("s") and stem(word) != word and (one or following in english("articles")):
            return words[:index]
        if word in english("plural_does") and following and _several(before):
            return words[:index]
        verb = word not in lines("things_in_ing") or following in english("articles")
        if word.endswith("ing") and verb and _does(word, before, following, one):
            return words[:index]
    return words


def _does(word: str, before: str, following: str, one: bool) -> bool:
    """Whether a word in -ing stands behind the thing that does it, not before."""
    if not following or word in english("does") or _ADVERB.fullmatch(following):
        return True
    if following == "some" or following in english("articles") or (one and stem(following) != following):
        return True
    return _several(before) or stem(before) in _who()


def _no_thing(word: str, before: str) -> bool:
    """Whether the last word before a verb is no thing: a tag, a sign, what was done to a thing, or what several do."""
    if word in _tags() or word in english("done") or not word[-1].isalnum():
        return True
    if word in english("plural_does") and _several(before):
        return True
    return bool(_DONE.fullmatch(word) and word not in english("things_in_ed"))


def _several(word: str) -> bool:
    return stem(word) != word or groups("irregular").get(word) == ()


def _of_mood(word: str) -> bool:
    """Whether a word says how a picture is, or joins such words."""
    word = word.strip("'\".:!")
    known = word in _tags() or word in lines("moods") or word in lines("adjectives") or word in english("glue")
    return known or bool(_ADVERB.fullmatch(word)) or word in english("degrees")


@cache
def _who() -> frozenset[str]:
    """Persons and animals: those who do something."""
    kinds = groups("kinds")
    return frozenset(who for kind in ("person", "animal", "bird", "adult", "child") for who in (kind, *kinds[kind]))


@cache
def _compounds() -> frozenset[str]:
    return frozenset(key(name) for names in groups("compounds").values() for name in names)


@cache
def _tags() -> frozenset[str]:
    return frozenset(lines("tags"))
