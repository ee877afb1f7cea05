"""What is asked: questions as they are typed, presets by name, or a question made from the prompt's own subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from ..errors import InputError
from .data import lines
from .prompts import plain
from .words import spelled, stem

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

_TAG = re.compile(
    r"(?:score|rating|source|year|date|style|artist|art style|drawn|painted|illustrated|created|photo|photographed|shot|filmed|made)?[ _]*\d[\w .]*(?:up)?"
    r"|(?:by|in the style of|art by|artwork by|inspired by|style of|painted by|drawn by|shot on|shot by|taken (?:by|with|on)|artist|rating|source|trending on|year) .*"
    r"|(?:artist|style)\s*:.*|\w+ism|(?:[\w-]+ ){0,4}(?:photographs?|photos?|paintings?|drawings?|illustrations?|sketch|screencaps?|screenshots?|artworks?|portraits?)"
    r"|(?:[\w-]+ ){0,3}(?:style|quality|lighting|lit|resolution|aesthetic|detailed|realistic|background|lens|camera|focus|render(?:ing)?|mm|photography|artstation|colors?|palette|grain)"
)
_ORDER = re.compile(
    r"^(?:please |can you |could you |i want (?:to see )?|i'd like |i would like |show me |give me |imagine |let's see )*"
    r"(?:(?:generate|create|draw|paint|make|render|design|produce|depict|visuali[sz]e|illustrate|show|imagine)(?: me| us| for me)? )?"
)
_THERE = re.compile(r"^(?:there's|there (?:is|are|was|were|stands?|lies|sits)|here (?:is|are)|this is|these are|it's|it is|we see|you see|the (?:image|picture|photo|scene) (?:shows|depicts|features)|(?:on|in|at|under|over) (?:the|a|an) [\w ]+?,? (?:there (?:is|are)|stands|sits|lies)|featuring|depicting|showing)\s+")
_COUNT = re.compile(r"^(?:\d+\+?|an?|the|one|two|three|four|five|six|seven|eight|nine|ten|some|several|many|few|my|your|his|her|their|our|this|that|these|those|multiple|single|another|big|lone|solo)\s+(?=\S)")
_GIRLS = re.compile(r"^\d+\+?(?=(?:girl|boy|wom[ae]n|m[ae]n|other|person|people|female|male|cat|dog|horse|animal|bird)s?\b)")
_END = re.compile(
    r"\s(?:with|without|in|on|at|by|near|under|underneath|over|above|below|beneath|behind|beside|between|inside|outside|within|into|onto|from|for|and|or|while|that|which|who|whose|where|when|as|of|to|"
    r"through|across|along|around|against|among|amid|towards?|up|down|off|after|before|during|next|like|is|are|was|were|has|have|had|made|can|will|&|-|\u2013|\u2014|:|\+|vs|versus|"
    r"stands|sits|lies|looks|runs|walks|flies|holds|wears|plays|eats|sleeps|jumps|stares|gazes|rises|rests|rides|floats|swims|leaps|drinks|hangs|glows|dances|reads|drives|emerges|covered|surrounded|dressed|"
    r"full|set|seen|shot|taken|lit|filled|inspired|painted|drawn|featuring|depicting|showing)(?=\s|$)"
)
OWN = tuple([word] for word in ("a", "an", "the", "his", "her", "its", "their"))
_TAKES = ("holding|wearing|riding|eating|playing|reading|carrying|drinking|driving|using|making|watching|chasing|facing|fighting|looking|sitting|standing|lying|walking|"
          "climbing|crossing|pulling|pushing|catching|throwing|cooking|painting|drawing|writing|building|having|taking|touching|hugging|kissing|petting|feeding|pointing|blowing")  # fmt: skip
_ONE = re.compile(r"(?:an?|one|this|that)\s")  # of one thing a word in -s says what it does
_PLACE = re.compile(r"(?:in|on|at|by|near|under|behind|beside|inside|outside|above|below|between|with|without|from|through|across|along|over|during|after|before|around|against|among)\s")
_DONE = re.compile(r"(?!(?:bed|red|shed|sled|bobsled|seed|weed|steed|reed|breed|feed|deed|speed|creed|biped|quadruped|moped|thoroughbred)$)\w+ed")
_DO = re.compile("graze|gather|swim|sleep|wander|roam|sit|stand|fly|eat|kiss|hug|bloom|grow|wait|gaze|stare|march|float|frolic|perch|huddle")
_ADVERB = re.compile(r"^(?:\w+ly)$")


def subject(prompt: str) -> str | None:
    """The thing a prompt is about, one word as it is typed: "1girl, solo" gives "girl", "a photo of a red fox" "fox".

    None where it has none: tags of quality and style alone, a LoRA, nothing at all.
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
    """Whether this is an article with adjectives alone: of "a small, round robot" the first part."""
    return len(words) > 1 and words[0] in ("a", "an", "the", "one") and all(word in lines("adjectives") for word in words[1:])


def _subject(part: str) -> str | None:
    text, one = _unopened(spelled(part).strip(" .-!?"))
    if not text or text in _tags() or _TAG.fullmatch(text) or _PLACE.match(text):
        return None
    words = _before_the_verb(_END.split(f"{text} ", maxsplit=1)[0].split(), one)
    while len(words) > 1 and (words[-1] in _tags() or not words[-1][-1:].isalnum() or _DONE.fullmatch(words[-1]) or _DO.fullmatch(words[-1])):
        words.pop()
    word = re.sub(r"'s$|^[^\w]+|[^\w]+$", "", words[-1]) if words else ""
    word = word.rsplit("-", 1)[-1] if word.split("-")[0].isdigit() else word
    return word if word and not word.isdigit() and word not in _tags() else None


def _unopened(text: str) -> tuple[str, bool]:
    """Without "draw me", "a photo of", articles and counts; whether the last of these said that it is one thing."""
    last, one = "", False
    while text != last:
        last = text
        text = _GIRLS.sub("", _THERE.sub("", _ORDER.sub("", text)))
        text = _medium().sub("", text)
        one = bool(_ONE.match(text)) or (one and text == last)
        text = _COUNT.sub("", text) if len(text.split()) > 1 else text
        text = text.strip()
    return text, one


def _before_the_verb(words: list[str], one: bool) -> list[str]:
    """Up to a word in -ing that says what is being done: "cats playing" is about cats, "a flying pig" about a pig.

    So does a word in -s where the subject is `one` thing: "an owl glides".
    """
    for index, word in enumerate(words):
        if index and word.endswith("s") and stem(word) != word and (one or words[index + 1 : index + 2] in OWN):
            return words[:index]
        doing = word.endswith("ing") and word not in lines("doing")
        if doing and index and (index + 1 == len(words) or re.fullmatch(_TAKES, word) or _ADVERB.match(words[index + 1])
                                or words[index + 1] in ("a", "an", "the", "his", "her", "its", "their", "some")):  # fmt: skip
            return words[:index]
    return words


@cache
def _tags() -> frozenset[str]:
    return frozenset(lines("tags"))


@cache
def _medium() -> re.Pattern[str]:
    return re.compile(rf"^(?:(?!(?:that|which|who|with|in|on)\b)[\w'-]+\s+){{0,5}}?(?:{'|'.join(lines('mediums'))})\s+(?:of|showing|depicting|featuring|shows?|depicts?|features|captures|portrays)\s+")


def questions_for(prompt: str, questions: Sequence[str]) -> tuple[str, ...]:
    """The questions for one image: presets opened ("creative", "creative:pet" names the subject), `{subject}` filled in.

    A preset asks the default question where the prompt has no subject.
    """
    opened = [question for item in questions for question in _open(item, prompt)]
    return tuple(dict.fromkeys(opened))


def _open(item: str, prompt: str) -> list[str]:
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
