"""A text in pieces that a text encoder reads one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def pieces(text: str, count: Callable[[str], int], chunk: int) -> list[str]:
    """The text in as few pieces of at most `chunk` tokens as its commas allow; a part that is longer is cut between words.

    WebUIs cut by tokens, and go back to a comma where one is near (sd_hijack_clip.py:120 of AUTOMATIC1111).
    """
    if count(text) <= chunk:
        return [text]
    found = [""]
    for part in _parts(text, count, chunk):
        longer = found[-1] + part
        if count(longer) <= chunk:
            found[-1] = longer
        else:
            found.append(part.lstrip())
    return [piece.strip() for piece in found if piece.strip()] or [""]


def _parts(text: str, count: Callable[[str], int], chunk: int) -> Iterator[str]:
    """What is not to be cut, with the comma before or the blank between."""
    for number, part in enumerate(text.split(",")):
        part = f",{part}" if number else part
        if count(part) <= chunk:
            yield part
        else:
            yield from (f"{word} " for word in part.split())
