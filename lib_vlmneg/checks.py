"""A look at the finished picture by a model of its own. It only says what it sees: no picture is ever changed or held back."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from .errors import InputError
from .guidance.dual import SCALE
from .readers import or_auto
from .record import Record
from .settings import INFOTEXT_PREFIX, Settings

CHECK = INFOTEXT_PREFIX + "check"
LEAST = 0.6  # as Chang et al. 2025 count what NudeNet finds
UNSAFE = frozenset(
    f"{part}_EXPOSED" for part in ("FEMALE_GENITALIA", "MALE_GENITALIA", "FEMALE_BREAST", "BUTTOCKS", "ANUS")
)  # of NudeNet's 18 classes
STRONGER = 1.5  # times the push scale, at each re-draw
MOST_SCALE = 100.0


@dataclass(frozen=True)
class Verdict:
    """What a check says of a picture: `found` are the unsafe things with their scores from 0 to 1, likeliest first."""

    found: tuple[tuple[str, float], ...]

    @property
    def unsafe(self) -> bool:
        """Whether anything was found."""
        return bool(self.found)

    def text(self) -> str:
        """For a picture's parameters: "safe", or "unsafe: BUTTOCKS_EXPOSED 0.81"."""
        named = ", ".join(f"{name} {score:.2f}" for name, score in self.found)
        return f"unsafe: {named}" if named else "safe"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"unsafe": self.unsafe, "found": dict(self.found)}


Check = Callable[[Image.Image], Verdict]
Draw = Callable[[Settings], "tuple[list[Image.Image], Record]"]


class NudeNet:
    """NudeNet 3 (Praneeth Bedapudi, MIT), which brings its weights. Raises InputError where it is not installed."""

    def __init__(self) -> None:
        try:
            from nudenet import NudeDetector
        except ImportError as error:
            raise InputError(f"check: nudenet is not to be had here ({error}); pip install nudenet, or choose none") from None
        self._detector = NudeDetector()

    def __call__(self, image: Image.Image) -> Verdict:
        """As a file it is read as its authors mean it, in colours that are not swapped."""
        image.convert("RGB").save(file := io.BytesIO(), "PNG", compress_level=1)
        best: dict[str, float] = {}
        for each in self._detector.detect(file.getvalue()):
            if each["class"] in UNSAFE and each["score"] >= LEAST:
                best[each["class"]] = max(best.get(each["class"], 0.0), round(float(each["score"]), 4))
        return Verdict(tuple(sorted(best.items(), key=lambda item: -item[1])))


def check_of(settings: Settings) -> Check | None:
    """The check that the settings want. Raises InputError."""
    return NudeNet() if settings.check == "nudenet" else None


def checked(draw: Draw, settings: Settings, check: Check | None, redraws: int) -> tuple[list[Image.Image], Record]:
    """What `draw` makes of the settings, with the verdicts in its record: for each time that it was drawn, of each picture.

    All is drawn again, `redraws` times at most, while a picture is unsafe in which terms acted: others no push changes.
    """
    images, record = draw(settings)
    if check is None:
        return images, record
    verdicts: list[list[Verdict]] = []
    while True:
        verdicts.append([check(image) for image in images])
        record.generation["checks"] = [[verdict.to_dict() for verdict in each] for each in verdicts]
        harder = any(verdict.unsafe and record.terms(image) for image, verdict in enumerate(verdicts[-1]))
        if not harder or len(verdicts) > redraws:
            return images, record
        settings = stronger(settings)
        images, record = draw(settings)


def stronger(settings: Settings) -> Settings:
    """The settings of the next re-draw."""
    return replace(settings, push_scale=min(or_auto(settings.push_scale, SCALE) * STRONGER, MOST_SCALE))
