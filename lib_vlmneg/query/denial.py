"""What a text says is there, less what it denies: "No gun, a knife." leaves the knife, "no gun, knife or bomb" nothing."""

from __future__ import annotations

import re

from .data import either, english, phrase
from .signs import COMMAS, CROSSES, DASHES, QUESTION, STOPS, TICKS

# where sentences, clauses and parts end
_SENTENCE = re.compile(rf"(?<!\d)\.(?!\d)|(?<=\d)\.(?=\s|$)|[;!?\n{STOPS}{QUESTION}]")
_TURN = re.compile(
    rf"\b(?:{either(english('turns'))}|rather(?! than)|instead(?! of))\b"
    r"|,\s*(?:just|only|merely)\b|\b(?:just|only)(?= (?:an?|the|some|one|two)\b|:)"
    r"|但是|但|而是|只有|只是|(?<=,)是"  # Chinese for "but", "only", "it is"
    r"|\s[\u2013\u2014-]+\s(?=(?:an?|the|it|this|that|these|there|just|only|he|she|they)\b)|\u2014(?=(?:an?|the|it|just)\b)"
)
_SAYS = rf"(?:{either(english('verbs', 'says'))}|\w+n't)"
_WHO = "(?:he|she|it|they|there|this|that|these|we|i|you|one)"
_CLAUSE = rf"(?:also |it's |{_WHO}|(?:an?|the|his|her|its|their|some) (?:[\w-]+ ){{1,4}}{_SAYS})\b"
_ALTHOUGH = re.compile(  # the turn is at its comma
    r"^(\s*(?:although|though|even though|while)\b[^,]*),"
    rf"|^(\s*(?:instead of|rather than|without|in place of|unlike|far from|contrary to)\b[^,]*),(?=\s*{_CLAUSE})"
    rf"|^(\s*(?:instead of|rather than|in place of|unlike) (?:an?|the) [\w-]+)(?= {_WHO}\b)"
)
_PART = re.compile(rf"([/|&+{COMMAS}]|\b(?:and|or|nor|plus|as well as)\b)")

# what is read as other words before all else
_FREE = re.compile(r"\b([^\W_]+)-free\b|\bwith (?:the |any |all )?([\w -]{1,30}?) (?:left out|omitted|removed|excluded)\b")
_UNASKED = re.compile(r"[^.?!\n]*\?\s*(?:no|none|nope|not?)\b(?!\s+\w)")  # a question that the text itself answers
_TICK, _CROSS = re.compile(f"[{TICKS}]\ufe0f?"), re.compile(f"[{CROSSES}]\ufe0f?")
_MARK = re.compile(f"[{TICKS}{CROSSES}]\ufe0f?")
_TICKED, _UNTICKED = (
    re.compile(rf"[\[(]\s?(?:[x*]|[{TICKS}])\ufe0f?\s?[\])](?!\w)"),
    re.compile(rf"\[\s*\]|\(\s+\)|\[\s?[{CROSSES}]\s?\]"),
)
_NOBODY = re.compile(r"\b(?:nobody|no[ -]one) (?:[\w-]+ ){1,3}(?=(?:the|his|her|their) [\w ]+ (?:that|which|on|in|at)\b)")
_NOT_BUT = re.compile(
    r"[^\s,、。]{1,20}?(?:ではなく|じゃなく|でなく|の代わりに)て?[,、]?"
    r"|[^\s,]{1,20}(?:은|는|이|가)? ?(?:아니라|아니고|없고|대신)"
)
_MISTAKEN = re.compile(
    r"\bbut (?:it|that|this|they)(?:'s| is| are|'re) not(?: actually| really| an?| any| real| the)*"
    r" ([^\W_]+(?: [^\W_]+)?)(?=[.,;!?]|$)"
)

# denials of what follows
_DENIES = re.compile(
    rf"\b(?:{either(english('denies'))}|\w+n't"
    r"|(?:skip|remove|minus)(?= (?:the|any|all)\b)|leave(?= (?:\w+ ){1,3}out\b)"
    r"|nothing (?:unsafe|harmful|dangerous) (?:such as|like)|(?:absent|missing)(?=\s*:))\b"
)
_WHERE = re.compile(r"\b(?:on|in|near|beside|under|behind|at|from|next to|around)(?= (?:the|his|her|its|their|an?)\b)")
_BEGINS = re.compile(rf"\s*{either(english('begins'))}\b")
_ARTICLE = re.compile(rf"(?:\s*(?:\w+ing|{either(english('looks'))}))*\s*(?:an?|the|some)\b")

# denials of what stands before
_IS, _THERE = r"(?:is|are|was|were)", either(english("there"))
_SEEMS = rf"(?:{_IS}|seems?|appears?(?: to be)?) (?:all |both |completely |entirely |totally )?"
_DENIED = re.compile(
    rf"\b(?:{_IS}|do|does|did|can|could)(?: not|n't)\b"
    rf"(?: (?:be )?(?:{_THERE}|included|apparent|in\b|appear|exist|part of|identified|any).*)?\s*$"
    r"|\b(?:cannot|can't|can not|could not|couldn't) be\b.*$"
    rf"|\b{_SEEMS}(?:absent|missing|lacking|nowhere|gone|invisible|undetected)\b.*$"
    rf"|\b(?:not|never) (?:{_THERE}|in the (?:image|picture|photo|scene|frame))\b.*$"
    r"|\babsent\s*$"
)

_TITLE = re.compile(rf"[\s\w*-]*\b(?:not|never|nothing|none) (?:be )?(?:{_THERE}|spotted|in the \w+)(?: [\w ]+)?\s*:\s*(?=\w)")
_AS_FOR = re.compile(r"(?:^|,)\s*(?:as for|as to|regarding|concerning|with regard to|when it comes to)\b.*")
_OF_SEVERAL = re.compile(r"\b(?:are|were|do|have)(?: not|n't|\b)|:\s*(?:both |all )?(?:not|absent|missing)\b")
_HAS_VERB = re.compile(rf"\b(?:{either(english('verbs', 'says'))}|see|spot|\w+n't)\b")
_SO_IS = re.compile(r"\s*(?:and )?(?:so|as|likewise|neither|nor) (?:is|are|was|were|do|does)\b")

# a verdict behind a thing: "gun: yes", "gun (none)"
_END = r"\s*[)\].!:]*\s*"
_YES = re.compile(rf"(.*?)\s*(?:[-{DASHES}:=(\[]|\?|->|=>)+\s*(?:yes|true|present|visible|1|positive|detected|found){_END}")
_NO = re.compile(rf"[-{DASHES}:=(\[?>]\s*(?:no|none|not {_THERE}|nope|nowhere|missing|false|absent|0|negative|n/a){_END}$")


def affirmed(text: str, places: bool = False) -> list[str]:
    """The parts of a text, between its commas and the like, that it says are there. The text is spelled as in `words`.

    A denial holds for its own sentence, to the next "but". A list after it is denied with it, unless a part begins anew: with
    an article where the first had none ("no gun, a knife"), or with a verb of its own ("and holds a gun"). If `places`
    count, "no blood on the knife" leaves the knife.
    """
    parts: list[str] = []
    for sentence in _SENTENCE.split(_UNASKED.sub(" ", phrase("affirmations").sub(" ", _ticked(text)))):
        for clause in _clauses(sentence):
            parts += _clause(clause, places)
    for mistaken in _MISTAKEN.findall(text):
        parts = [re.sub(rf"\b{re.escape(mistaken.strip())}\b", " ", part) for part in parts]
    return [part.strip() for part in parts if part.strip()]


def _ticked(text: str) -> str:
    """With words for ticks and crosses; several in a row of text stand in rows of their own."""
    text = _NOBODY.sub(" . ", _UNTICKED.sub("\u2610", _TICKED.sub("\u2611", text)))
    if marks := _MARK.findall(text):
        before = bool(_MARK.match(text.lstrip(" \n-*+")))
        text = _MARK.sub(r"\n\g<0>" if before else r"\g<0>\n", text) if len(marks) > 1 else text
    return _CROSS.sub(" : no ", _TICK.sub(" : yes ", text))


def _clauses(sentence: str) -> list[str]:
    """A sentence in parts, where it turns from what it denies to what it does not."""
    clauses = _TURN.split(_ALTHOUGH.sub(_though, _FREE.sub(r"no \1\2", sentence)))
    if phrase("denials").search(sentence) or phrase("denied").search(sentence):
        return [part for clause in clauses for part in phrase("turns").split(_NOT_BUT.sub(" ", clause))]
    return clauses


def _though(begun: re.Match[str]) -> str:
    return f"{begun[0].rstrip(',')} but"


def denies_before(clause: str) -> bool:
    """Whether a clause denies what comes first in it: "the gun is not there"."""
    return bool(_DENIED.search(clause) or phrase("denied").search(clause))


def _before(clause: str) -> list[str]:
    """What is left of a clause whose end denies its beginning, such as the dog in "a dog, the gun is absent"."""
    clause = _AS_FOR.sub("", clause)
    pieces = list(filter(str.strip, re.split(r",|\band\b(?=\s+(?:an?|the|there|i|so)\b)", clause)))
    if len(pieces) == 1:
        return []
    denied = [denies_before(piece) for piece in pieces]
    for index in range(len(pieces) - 1, 0, -1):
        if denied[index] and _OF_SEVERAL.search(pieces[index]) and not _HAS_VERB.search(pieces[index - 1]):
            denied[index - 1] = True
    for index in range(1, len(pieces)):
        denied[index] = denied[index] or (denied[index - 1] and bool(_SO_IS.match(pieces[index])))
    return [part for piece, gone in zip(pieces, denied) if not gone for part in _clause(piece)]


def _clause(clause: str, places: bool = False) -> list[str]:
    """The parts of a clause that it says are there."""
    if _TITLE.match(clause):
        return []
    if denies_before(clause):
        return _before(clause)
    kept: list[str] = []
    open_from = 0  # of `kept`, where those begin that no "yes" or "no" has been said of
    denied = each = without_article = False  # how it was last denied, and whether each part by itself
    parts = _PART.split(clause)
    for sign, part in zip(["", *parts[1::2]], parts[::2]):
        if _NO.search(part):
            del kept[open_from:]
            continue
        if yes := _YES.fullmatch(part):
            part, denied = yes[1], False
            open_from = len(kept) + 1
        denial = _denial(part)
        if denial:
            kept += _beside(denial, part, denied, places)
            each = denied and not part[: denial.start()].strip()
            denied, without_article = True, not _ARTICLE.match(part, denial.end())
            continue
        if denied and sign not in ("or", "nor", "/", "|"):
            denied = not (each and part.strip()) and not _begins_anew(part, without_article)
        if not denied:
            kept.append(part)
    return kept


def _denial(part: str) -> re.Match[str] | None:
    """The first word that denies what follows it; the English one if two begin at the same place."""
    found = [match for match in (_DENIES.search(part), phrase("denials").search(part)) if match]
    return min(found, key=lambda match: match.start()) if found else None


def _beside(denial: re.Match[str], part: str, denied: bool, places: bool) -> list[str]:
    """What a part says is there beside what it denies: what stands before that, and the place where it is not."""
    kept = []
    if not denied and denial.re is _DENIES:  # other languages put a verb there: "hier ist kein Hund"
        kept.append(part[: denial.start()])
    if places and (where := _WHERE.search(part, denial.end())):
        kept.append(part[where.end() :])
    return kept


def _begins_anew(part: str, without_article: bool) -> bool:
    """Whether a part after a denial, which had no article or had one, is no more part of it."""
    return bool(_BEGINS.match(part)) and (without_article or not _ARTICLE.match(part))
