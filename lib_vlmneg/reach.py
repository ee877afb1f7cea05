"""What the record may say acted: the terms that reached rows of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .record import Record


class Reach:
    """Counts, in the record of one pass, the model calls in which each image had rows that a push gave another text."""

    def __init__(self, record: Record):
        self._record = record
        self.last = -1  # the last step whose model call was made

    def count(self, step: int, images: Iterable[int]) -> None:
        """A model call of this step was made, in which these images were reached."""
        self.last = max(self.last, step)
        for image in images:
            self._record.reached[image] += 1

    def end(self, step: int) -> None:
        """From this step on no term acts, whatever was found."""
        for timeline in self._record.timelines:
            acted = timeline.at(step - 1)
            timeline.changes = {start: terms for start, terms in timeline.changes.items() if start < step}
            if acted:
                timeline.changes[step] = ()

    def missed(self) -> Iterator[int]:
        """The images that were never reached, though they had terms in steps that were made; those leave the timeline."""
        for image, timeline in enumerate(self._record.timelines):
            in_force = any(terms for start, terms in timeline.changes.items() if start <= self.last)
            if in_force and not self._record.reached[image]:
                timeline.changes.clear()
                yield image
