"""The contact sheet: what the oracle was shown, and under each picture what it said."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from .record import NO_TERMS, Event, Record

SIDE = 112
GAP = 8
TEXT = 64
PAPER, INK, FAINT, NEW = "#ffffff", "#20242c", "#8a919e", "#c0392b"


def contact_sheet(
    record: Record, seen: Sequence[tuple[Event, Image.Image]], finished: Sequence[Image.Image], columns: int = 8
) -> Image.Image:
    """One row of thumbnails (or more) for each image of the batch: every x0 that was asked about, then the finished picture."""
    listed = bool(record.settings.get("vocabulary"))
    rows = [_cells(index, seen, picture, listed) for index, picture in enumerate(finished)]
    lines = [row[start : start + columns] for row in rows for start in range(0, len(row), columns)]
    width = GAP + max(len(line) for line in lines) * (SIDE + GAP)
    sheet = Image.new("RGB", (width, GAP + len(lines) * (SIDE + TEXT + GAP)), PAPER)
    for y, line in enumerate(lines):
        for x, (picture, title, added, kept) in enumerate(line):
            _cell(sheet, (GAP + x * (SIDE + GAP), GAP + y * (SIDE + TEXT + GAP)), picture, title, added, kept)
    return sheet


def _cells(
    index: int, seen: Sequence[tuple[Event, Image.Image]], finished: Image.Image, listed: bool
) -> list[tuple[Image.Image, str, str, str]]:
    own = [(event, picture) for event, picture in seen if event.image == index]
    cells = [(picture, f"step {event.step}", ", ".join(event.added), _said(event, listed)) for event, picture in own]
    return [*cells, (finished, "finished", "", "")]


def _said(event: Event, listed: bool) -> str:
    """What was answered; where it was asked for a list, which of it was found."""
    if listed:
        return ", ".join(event.found) or NO_TERMS
    return ", ".join(text for group in event.answers for text, _ in group)


def _cell(sheet: Image.Image, corner: tuple[int, int], picture: Image.Image, title: str, added: str, said: str) -> None:
    x, y = corner
    sheet.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), corner)
    draw = ImageDraw.Draw(sheet)
    draw.text((x, y + SIDE + 2), title, fill=FAINT, font=font(12))
    text, color = (f"+ {added}", NEW) if added else (said, FAINT)
    for number, line in enumerate(wrap(text, SIDE, font(12))[:3]):
        draw.text((x, y + SIDE + 17 + 15 * number), line, fill=color, font=font(12))


def font(size: int) -> ImageFont.ImageFont:
    """Pillow's own, at this size where this Pillow can."""
    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1 it has one size
        return ImageFont.load_default()


def wrap(text: str, width: int, face: ImageFont.ImageFont) -> list[str]:
    """The text in lines of at most `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
