"""Out of its wrapping: thoughts, channels, fences, JSON, boxes and a model's own tokens go, what is answered stays."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from .data import lines

LONGEST = 4000  # signs that are read: no answer to a question about a picture is longer
_OPEN, _CLOSE = r"(?:<\|?|\[|\u25c1|\u3008|\u27e8|\u2039\|?|<!--\s*)", r"(?:\|?>|\]|\u25b7|\u3009|\u27e9|\|?\u203a|\s*-->)"
_HARMONY = re.compile(r"<\|?channel\|?>\s*(\w+)[^<]*?(?:<\|(?:message|constrain)\|>|\n|(?<=thought)(?=\s))", re.IGNORECASE)
_HARMONY_END = re.compile(r"<\|(?:end|return|call|start)\|>|<channel\|>", re.IGNORECASE)
_BARE_HARMONY = re.compile(r"^\s*(?:analysis|commentary)(?=[A-Z\W]).*?(?:assistant\s*final|$)", re.DOTALL)
_TOKEN = re.compile(
    r"<\|[^<>|]{0,40}\|?>|<[^<>|\s]{0,40}\|>|[<\u2039]/?(?:s|eos|bos|pad|unk|mask|sep|cls|image|img|ref|box|quad|\w*_\w*|0x\w\w|(?:loc|seg)\d+)[>\u203a]"
    r"|\[/?(?:INST|SEP|CLS|PAD|UNK|MASK)\]|<</?SYS>>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<\s*(?:br|/p|/li|/tr)\s*/?>", re.IGNORECASE)
_HTML = re.compile(r"</?(?:b|i|u|p|li|ul|ol|em|strong|span|div|code|pre|table|tr|td|th|tbody|thead|h\d)\b[^<>]*>", re.IGNORECASE)
_ROLE = re.compile(r"(?:^|\n|(?<=\s))(?:assistant|gpt|bot|ai|model)\s*(?::|\n)\s*", re.IGNORECASE)
_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:[\w+-]*[ \t]*\n|(?:json|text|plaintext|txt|markdown|yaml|xml)\b)?(.*?)(?:```|~~~|$)", re.DOTALL)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{[^{}]*\})*)\}?")
_LATEX = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|emph|operatorname)\s*\{([^{}]*)\}")
_SAID = re.compile(r"(?:^|[\s*_#])(?:(?:my|the|so)\s+)*(?:final|short|direct|one[- ]word)?\s*answer[\s*_]*(?::|=|\bis\s*:)[\s*_]*", re.IGNORECASE)
_ALOUD = re.compile(
    r"(?:(?:so|okay|ok|alright|right|well|hmm+|wait|first(?:ly)?|now|got it|great)\b[,.!]*\s*)*"
    r"(?:(?:let's|let me|let us|i need to|i have to|i should|i must|i will|i'll|we need to|we have to|we should|we must|we're asked|we are asked)\b"
    r"|the (?:user|question|task|prompt)(?:'s)?\b.*\b(?:ask|want|need|is|question|request|say|show|provid|upload)"
    r"|(?:looking|to (?:determine|answer|identify|figure)|thinking|step \d)\b.*?[.,:]\s*(?:i|we|let)\b"
    r"|hmm+\b|wait\b)",
    re.IGNORECASE | re.DOTALL,
)
_ANSWERED = ("answer", "final_answer", "response", "result", "output", "label", "labels", "name", "names", "object", "objects", "class",
             "text", "value", "item", "items", "caption")  # fmt: skip
FLAGS = {"yes": True, "true": True, "present": True, "no": False, "false": False, "absent": False, "none": False}
_ASIDE = re.compile(
    r"^not?_|_not_|absent|missing|exclud|denied|reason|explanation|thought|think|confidence|score|prob|box|bbox|coord|descri|note|comment|^id$|index|language|status|question|count|position|"
    r"location|source|model|^type$|detail|rationale|analysis|certain",
    re.IGNORECASE,
)


def unwrapped(raw: str) -> str:
    """The answer in what a model says, in its own words; nothing where it thinks to the end."""
    text = _without_thoughts(_channel(raw[:LONGEST]))
    text = _marked(text, lines("answer_marks"), take=True)
    text = _ROLE.split(_TOKEN.sub(" ", _HTML.sub(" ", _BREAK.sub("\n", text))))[-1].strip()
    if boxes := _BOXED.findall(text):
        text = boxes[-1]
    text = _LATEX.sub(r"\1", text).strip()
    if fenced := [part for part in _FENCE.findall(text) if part.strip()]:
        text = fenced[0].strip()
    if (found := _parsed(text)) is not None:
        return "\n".join(found)
    if len(parts := _SAID.split(text)) > 1 and parts[-1].strip():
        return parts[-1].strip()
    return "" if _ALOUD.match(text) else text


def _channel(text: str) -> str:
    """Of a text in channels the last that is no thought."""
    places = list(_HARMONY.finditer(text))
    if not places:
        return _BARE_HARMONY.sub("", text)
    last = places[-1]
    rest = text[last.end() :]
    if last[1].lower() in ("analysis", "commentary", *lines("thoughts")):
        _, end, after = _cut(rest, _HARMONY_END)
        return after if end else ""
    return _cut(rest, _HARMONY_END)[0]


def _cut(text: str, at: re.Pattern[str]) -> tuple[str, str, str]:
    found = at.search(text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def _without_thoughts(text: str) -> str:
    return _marked(text, lines("thoughts"), take=False)


@cache
def _marks(names: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What opens and what closes a part of these names, in whatever brackets."""
    name = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
    ends = "|".join(re.escape(one.replace("begin_", "end_")) for one in names if one.startswith("begin_"))
    opened = re.compile(rf"{_OPEN}\s*(?:{name})\s*{_CLOSE}", re.IGNORECASE)
    return opened, re.compile(rf"{_OPEN}\s*(?:/\s*(?:{name})|{ends or '(?!)'})\s*{_CLOSE}", re.IGNORECASE)


def _marked(text: str, names: tuple[str, ...], take: bool) -> str:
    """What stands between marks of these names, if `take`, and otherwise all else; a mark may lack its partner."""
    opened, closed = _marks(names)
    if take:
        start, end = list(opened.finditer(text)), list(closed.finditer(text))
        begin = start[-1].end() if start else 0
        stop = next((place.start() for place in end if place.start() >= begin), len(text)) if start else len(text)
        return text[begin:stop] if start and text[begin:stop].strip() else closed.sub(" ", opened.sub(" ", text))
    kept, place = "", 0
    while found := opened.search(text, place):
        kept += text[place : found.start()] + " "
        end = closed.search(text, found.end())
        place = end.end() if end else len(text)
    kept += text[place:]
    return closed.split(kept)[-1]


def _parsed(text: str) -> list[str] | None:
    """The strings of an answer in JSON, or as Python writes it; None if it is neither."""
    start = next((index for index, sign in enumerate(text) if sign in "[{"), None)
    if start is None or start > 60 or (text[:start].strip() and not text[:start].rstrip().endswith((":", "\n"))):
        return None
    body = text[start : max(text.rfind("]"), text.rfind("}")) + 1]
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(body)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return [said for said in _strings(value) if said.strip()] if isinstance(value, (dict, list, set)) else None
    return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, set, tuple)):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        yield from _fields(value)


def _fields(value: dict[Any, Any]) -> Iterator[str]:
    """Of an object the field that is named as an answer is, or else all that are no aside; of flags those that are set."""
    named = {str(name).lower(): item for name, item in value.items()}
    if named and all(isinstance(item, (bool, int, float)) or str(item).lower() in FLAGS for item in named.values()):
        yield from (str(name) for name, item in value.items() if FLAGS.get(str(item).lower(), item) and name not in _ANSWERED)
        return
    answers = [named[name] for name in _ANSWERED if name in named]
    for item in answers[:1] or [item for name, item in named.items() if not _ASIDE.search(name)]:
        yield from _strings(item)
