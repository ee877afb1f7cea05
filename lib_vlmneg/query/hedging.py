"""What says that an answer is a guess: "a lynx, but I'm not sure" has a lynx, though "not sure" alone is a refusal."""

from __future__ import annotations

import re
from functools import cache

from .data import either, groups, lines, patterns

_STOP = r"[,;.:!)\n\u3001\u3002\uff0c]|\s[-\u2013\u2014]+\s|\s?\u2014\s?"


def unhedged(text: str) -> str:
    """The text without its doubts, where it names something in spite of them; it is spelled as in `words`."""
    turned = False

    def drop(doubt: re.Match[str]) -> str:
        nonlocal turned
        turned = turned or bool(doubt["before"] or doubt["after"])
        return ". "

    rest = _doubt().sub(drop, text)
    if rest == text or not rest.strip(" .,"):
        return text
    return rest if turned or _guess().search(rest) else text


@cache
def _doubt() -> re.Pattern[str]:
    """A clause of doubt, between stops or words such as "but"."""
    but = either(groups("english")["yields"] + lines("turns"))
    doubt = "|".join(patterns("hedges"))
    return re.compile(
        rf"(?:^|{_STOP}|(?=\s{but}\s))\s*(?:(?P<before>{but}) )?(?:{doubt})(?:,? though)?(?![\w'])"
        rf"\s*(?:$|{_STOP}|(?=\s?{but}\s))\s*(?:(?P<after>{but})\s)?"
    )


@cache
def _guess() -> re.Pattern[str]:
    """A word that says that what it stands with is a guess."""
    spaced, joined = "|".join(patterns("guesses")), "|".join(patterns("guesses_joined"))
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)|{joined}")
