"""The answer without its wrapping: without thoughts, channels, fences, JSON, boxes and a model's own tokens."""

from __future__ import annotations

import re
from functools import cache

from .data import lines
from .structured import strings

LONGEST = 4000  # signs that are read: no answer to a question about a picture is longer

# the channels of OpenAI's harmony format, with all signs or stripped of them
_CHANNEL = re.compile(
    r"<\|?channel\|?>\s*(\w+)[^<]*?(?:<\|(?:message|constrain)\|>|\n|(?<=thought)(?=\s))",
    re.IGNORECASE,
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>|<channel\|>", re.IGNORECASE)
_BARE_CHANNEL = re.compile(r"^\s*(?:analysis|commentary)(?=[A-Z\W]).*?(?:assistant\s*final|$)", re.DOTALL)

# marks such as <think>, [/think] or a comment of HTML
_OPEN = r"(?:<\|?|\[|\u25c1|\u3008|\u27e8|\u2039\|?|<!--\s*)"
_CLOSE = r"(?:\|?>|\]|\u25b7|\u3009|\u27e9|\|?\u203a|\s*-->)"

_TOKEN = re.compile(
    r"<\|[^<>|]{0,40}\|?>|<[^<>|\s]{0,40}\|>"
    r"|[<\u2039]/?(?:s|eos|bos|pad|unk|mask|sep|cls|image|img|ref|box|quad|\w*_\w*|0x\w\w|(?:loc|seg)\d+)[>\u203a]"
    r"|\[/?(?:INST|SEP|CLS|PAD|UNK|MASK)\]|<</?SYS>>",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r"<\s*(?:br|/p|/li|/tr)\s*/?>"
    r"|(?:\s*<(?:loc|seg)_?\d+>)+|</(?:ref|box|quad|p|od)>|<\|(?:object_ref_end|box_end|quad_end|det_end)\|>"
    r"|\\(?:begin|end)\s*\{[^{}]*\}|\\hline|\\\\(?=\s)",  # LaTeX
    re.IGNORECASE,
)
_PLACES = re.compile(r"<(box|quad)>.*?</\1>|<\|(box|quad)_start\|>.*?<\|\2_end\|>", re.DOTALL)  # coordinates
_ITEM = re.compile(r"\\item\b\s*(?:\[[^\[\]]*\])?")
_HEAD = re.compile(r"<th\b[^<>]*>.*?</th>|<thead\b.*?</thead>", re.IGNORECASE | re.DOTALL)
_CELL = re.compile(r"</td>(?=\s*<td)", re.IGNORECASE)
_NEXT_TURN = re.compile(
    r"(?<=\S)(?:\s*\n\s*[#*\[]*\s*|\s*<[^<>]{1,30}>\s*|\s*#{2,}\s*)(?:user|human|question|q|instruction|you)\s*[\]*]*\s*:.*"
    r"|(?<=\S)\s*(?:<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|</s>)\s*<(?!/)[^<>]{1,30}>\s*(?:user|human)\b.*",
    re.IGNORECASE | re.DOTALL,
)  # a model that goes on and asks itself
_TAG_NAME = r"(?:b|i|u|p|li|ul|ol|em|strong|span|div|code|pre|table|tr|td|th|tbody|thead|h\d)"
_TAG = re.compile(rf"</?{_TAG_NAME}\b[^<>]*>", re.IGNORECASE)
_ROLE = re.compile(r"(?:^|\n|(?<=\s))(?:assistant|gpt|bot|ai|model)\s*(?::|\n)\s*", re.IGNORECASE)
_TRANSCRIPT = re.compile(r"\W*(?:<[^<>]*>\s*)*(?:system|user|human|question|q)\b\s*[:\n]", re.IGNORECASE)
_FENCE = re.compile(
    r"(?:```|~~~)[ \t]*"
    r"(?:[\w+-]*[ \t]*\n|(?:json|text|plaintext|txt|markdown|yaml|xml)\b)?"  # its language
    r"(.*?)(?:```|~~~|$)",
    re.DOTALL,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{[^{}]*\})*)\}?")
_LATEX = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|emph|operatorname)\s*\{([^{}]*)\}")
_SAID = re.compile(
    r"(?:^|[\s*_#])(?:(?:my|the|so)\s+)*(?:final|short|direct|one[- ]word)?\s*answer[\s*_]*(?::|=|\bis\s*:)[\s*_]*",
    re.IGNORECASE,
)

# Gemma's tokens without a name, and the words of a console
_UNUSED = re.compile(r"<unused(\d+)>(thought\b)?")
_SAID_THINKING = re.compile(r"^\s*thinking\.\.\..*?\.\.\.\s*done thinking\.?", re.IGNORECASE | re.DOTALL)
_ECHO = re.compile(r"^\s*(?:what|which|who|is|are|how|can)\b[^?\n]{0,120}\?\s*(?=\S)(?!(?:yes|no)\b)", re.IGNORECASE)

# how a model begins that thinks without any marks
_WELL = r"(?:so|okay|ok|alright|right|well|hmm+|wait|first(?:ly)?|now|got it|great)\b[,.!]*\s*"
_PLANS = (
    r"(?:let's|let me|let us|i need to|i have to|i should|i must|i will|i'll|we need to|we have to|we should|we must"
    r"|we're asked|we are asked)\b"
)
_TASK = (
    r"the (?:user|question|task|prompt)(?:'s)?\b.*"
    r"\b(?:ask|want|need|is|question|request|say|show|provid|upload)"
)
_LOOKS = r"(?:looking|to (?:determine|answer|identify|figure)|thinking|step \d)\b.*?[.,:]\s*(?:i|we|let)\b"
_ALOUD = re.compile(rf"(?:{_WELL})*(?:{_PLANS}|{_TASK}|{_LOOKS}|hmm+\b|wait\b)", re.IGNORECASE | re.DOTALL)


def unwrapped(raw: str) -> str:
    """The answer in what a model says, in its own words; "" if it only thinks."""
    text = _SAID_THINKING.sub("", _UNUSED.sub(_unused, _channel(raw[:LONGEST])))
    text = _turn(_ECHO.sub("", _without(text, lines("thoughts"))))
    text = _within(text, lines("answer_marks"))
    text = _ITEM.sub("\n- ", _BREAK.sub("\n", _CELL.sub(" | ", _HEAD.sub(" ", _PLACES.sub("\n", text)))))
    text = _ROLE.split(_TOKEN.sub(" ", _TAG.sub(" ", text)))[-1].strip()
    if boxes := _BOXED.findall(text):
        text = boxes[-1]
    text = _LATEX.sub(r"\1", text).strip()
    if fenced := [part for part in _FENCE.findall(text) if part.strip()]:
        text = fenced[0].strip()
    if (found := strings(text)) is not None:
        return "\n".join(found)
    if len(parts := _SAID.split(text)) > 1 and parts[-1].strip():
        return parts[-1].strip()
    return "" if _ALOUD.match(text) else text


def _turn(text: str) -> str:
    """A text up to where its model takes the next turn as well; a transcript that begins with a role stays whole."""
    cut = _NEXT_TURN.sub("", text)
    return text if _TRANSCRIPT.match(text) or not _TOKEN.sub("", cut).strip() else cut


def _unused(token: re.Match[str]) -> str:
    return "<thought>" if token[2] else "</thought>"


def _channel(text: str) -> str:
    """The last channel of a text, or what follows it if it is a thought; a text without channels as it is."""
    channels = list(_CHANNEL.finditer(text))
    if not channels:
        return _BARE_CHANNEL.sub("", text)
    last = channels[-1]
    said, *after = _CHANNEL_END.split(text[last.end() :], maxsplit=1)
    thought = last[1].lower() in ("analysis", "commentary", *lines("thoughts"))
    return "".join(after) if thought else said


@cache
def _marks(names: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What opens and what closes a part of these names, in whatever brackets."""
    name = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
    ends = "|".join(
        re.escape(re.sub("^(?:begin|start)_", "end_", one)) for one in names if one.startswith(("begin_", "start_"))
    )
    opened = re.compile(rf"{_OPEN}\s*(?:{name})\s*{_CLOSE}", re.IGNORECASE)
    return opened, re.compile(rf"{_OPEN}\s*(?:/\s*(?:{name})|{ends or '(?!)'})\s*{_CLOSE}", re.IGNORECASE)


def _within(text: str, names: tuple[str, ...]) -> str:
    """What stands between the last mark of these names and its end; the text without the marks if that is nothing."""
    opened, closed = _marks(names)
    if begun := list(opened.finditer(text)):
        behind = text[begun[-1].end() :]
        if (within := closed.split(behind, maxsplit=1)[0]).strip():
            return within
    return closed.sub(" ", opened.sub(" ", text))


def _without(text: str, names: tuple[str, ...]) -> str:
    """The text without what is between marks of these names, or after one that is never closed, or before one never opened."""
    opened, closed = _marks(names)
    kept, place = "", 0
    while begun := opened.search(text, place):
        kept += text[place : begun.start()] + " "
        ended = closed.search(text, begun.end())
        place = ended.end() if ended else len(text)
    return closed.split(kept + text[place:])[-1]
