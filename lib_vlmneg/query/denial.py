"""What a text says is there, less what it denies: "No gun, a knife." leaves the knife, "no gun, knife or bomb" nothing."""

from __future__ import annotations

import re

from .data import phrase

_SENTENCE = re.compile(r"(?<!\d)[.](?!\d)|(?<=\d)\.(?=\s|$)|[;!?\n\u3002\uff01\uff1f\u0964\u06d4\u061f]")
_TURN = re.compile(
    r"\b(?:but|however|though|although|except(?: for)?|rather(?! than)|instead(?! of)|other than|apart from|aside from|yet|while|whereas)\b"
    r"|,\s*(?:just|only|merely)\b|\b(?:just|only)(?= an?\b| the\b| some\b| one\b| two\b|:)|\u4f46\u662f|\u4f46|\u800c\u662f|\u53ea\u6709"
)
_PART = re.compile(r"([,/|&+\u3001\u060c]|\b(?:and|or|nor|plus|as well as)\b)")
_MORE = re.compile(r"\bnot (?:only|just|merely|to mention)\b|\bno doubt(?: an?\b)?|\bno fewer than\b|\bno less than\b|\bnot without\b|\bnot (?:far|unlike)\b")
_YES = re.compile(r"(.*?)\s*(?:[-\u2013\u2014:=(\[]|\?|->|=>)+\s*(?:yes|true|present|visible|1|positive|detected|found)\s*[)\].!:]*\s*")
_LAST = re.compile(
    r"\b(?:is|are|was|were|do|does|did|can|could)(?: not|n't)\b(?: (?:be )?(?:present|visible|there|here|seen|shown|depicted|found|detected|included|apparent|in\b|appear|exist|"
    r"part of|identified|any|included).*)?\s*$|\b(?:cannot|can't|can not|could not|couldn't) be\b.*$|"
    r"\b(?:is|are|was|were|seems?|appears?(?: to be)?) (?:all |both |completely |entirely |totally )?(?:absent|missing|lacking|nowhere|gone|invisible|undetected)\b.*$"
    r"|\b(?:not|never) (?:present|visible|there|here|seen|shown|depicted|found|detected|in the (?:image|picture|photo|scene|frame))\b.*$|\babsent\s*$"
)
_FIRST = re.compile(
    r"\b(?:no|not|none of|nor|neither|never|without|cannot|unable|zero|lacks?|lacking|absence of|devoid of|free (?:of|from)|instead of|rather than|"
    r"nothing (?:like|such as|resembling)|anything (?:like|such as)|fails? to|\w+n't|(?:absent|missing|not (?:seen|found|present|visible|detected))(?=\s*:)|nothing (?:unsafe|harmful|dangerous) (?:such as|like))\b"
)
_UNASKED = re.compile(r"[^.?!\n]*\?\s*(?:no|none|nope|not?)\b(?!\s+\w)")  # a question that the text itself answers
_TICK = re.compile("[\u2713\u2714\u2705\u2611]\ufe0f?")
_CROSS = re.compile("[\u2717\u2718\u274c\u2715\u00d7]\ufe0f?")
_ALTHOUGH = re.compile(r"^(\s*(?:although|though|even though|while)\b[^,]*),")
_IS_NOT = re.compile(r"\bbut (?:it|that|this|they)(?:'s| is| are|'re) not(?: actually| really| an?| any| real| the)* ([^\W_]+(?: [^\W_]+)?)(?=[.,;!?]|$)")
_WHERE = re.compile(r"\b(?:on|in|near|beside|under|behind|at|from|next to|around)(?= (?:the|his|her|its|their|an?)\b)")
_FREE = re.compile(r"\b([^\W_]+)-free\b")
_OPEN = re.compile(r"\s*(?:an?|some|one|two|three|four|five|several|many|the|his|her|its|their|he|she|it|i|there|we|they|you|this|that|also|instead|has|have|having"
                   r"|holds?|wears?|shows?|carries|contains?|depicts?|features?|with|is holding|is wearing)\b")  # fmt: skip
_ARTICLE = re.compile(r"(?:\s*(?:\w+ing|see|find|spot|detect|contain|show|depict|have|include|be|there|of|like|any|a single))*\s*(?:an?|the|some)\b")


def affirmed(text: str, places: bool = False) -> list[str]:
    """The parts of a text, between its commas and the like, that it says are there; in lower case, spelled as `words.spelled`.

    A denial holds for its own sentence, to the next "but". A list after it is denied with it, unless a part begins anew: with
    an article where the first had none ("no gun, a knife"), or with a verb of its own ("and holds a gun"). Of "no blood on the knife" the knife is there, if `places` count.
    """
    parts = []
    for sentence in _SENTENCE.split(_UNASKED.sub(" ", _MORE.sub(" ", _ticked(text)))):
        for clause in _TURN.split(_ALTHOUGH.sub(r"\1 but", _FREE.sub(r"no \1", sentence))):
            parts += _clause(clause, places)
    for mistaken in _IS_NOT.findall(text):
        parts = [re.sub(rf"\b{re.escape(mistaken.strip())}\b", " ", part) for part in parts]
    return [part.strip() for part in parts if part.strip()]


def _ticked(text: str) -> str:
    """With words for ticks and crosses."""
    return _CROSS.sub(" : no ", _TICK.sub(" : yes ", text))


def _clause(clause: str, places: bool = False) -> list[str]:
    if denies_before(clause):
        return _before(clause)
    kept: list[str] = []
    denied = bare = each = False
    begun = 0  # of `kept`, where the parts begin that no "yes" or "no" has been said of
    pieces = _PART.split(clause)
    for index in range(0, len(pieces), 2):
        part, sign = pieces[index], pieces[index - 1].strip() if index else ""
        if _itemised(part):
            del kept[begun:]
            continue
        if yes := _YES.fullmatch(part):
            part, denied = yes[1], False
            begun = len(kept) + 1
        first = _denial(part)
        if denied and not first and sign not in ("or", "nor", "/", "|"):
            denied = not (each and part.strip()) and not (_OPEN.match(part) and (bare or not _ARTICLE.match(part)))
        if first:
            if not denied and not first.re.pattern.startswith("(?<!"):
                kept.append(part[: first.start()])
            if places and (where := _WHERE.search(part, first.end())):
                kept.append(part[where.end() :])
            each = denied and first.start() == len(part) - len(part.lstrip())
            denied, bare = True, not _ARTICLE.match(part, first.end())
        elif not denied:
            kept.append(part)
    return kept


def _denial(part: str) -> re.Match[str] | None:
    found = [match for match in (_FIRST.search(part), phrase("denials").search(part)) if match]
    return min(found, key=lambda match: match.start()) if found else None


def _itemised(part: str) -> bool:
    """Whether this is a thing with a no behind it: "gun: no", "gun (none)", "gun? no"."""
    return bool(re.search(r"[-\u2013\u2014:=(\[?>]\s*(?:no|none|not present|false|absent|0|negative|n/a)\s*[)\].!:]*\s*$", part))


def denies_before(clause: str) -> bool:
    """Whether a clause denies what comes first in it: "the gun is not there"."""
    return bool(_LAST.search(clause) or phrase("denied").search(clause))


def _before(clause: str) -> list[str]:
    """What is left of a clause whose end denies its beginning: the parts before that begin anew, as in "a dog, the gun is absent"."""
    pieces = [piece for piece in re.split(r",|\band\b(?=\s+(?:an?|the|there|i)\b)", clause)]
    return [part for piece in pieces if not denies_before(piece) for part in (_clause(piece) if len(pieces) > 1 else [])]
