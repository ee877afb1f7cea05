"""One call of the denoiser, as a push sees and changes it: rows with labels, and what each row reads of a prompt.

A host's adapter says whose the rows are and makes the call that a push asks for; a push knows neither the host nor where in
the call the text lies.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from torch import Tensor

Text = Any  # all that one row reads of a prompt, in the host's form: embeds with what goes with them (mask, pooled, lengths)
Texts = Mapping[int, Text]  # by the number of the row


class Side(Enum):
    """Which of the two predictions that guidance puts together a row is for."""

    COND = "cond"
    UNCOND = "uncond"


@dataclass(frozen=True)
class Row:
    """One row of a call: the image of the batch that it belongs to, and its side."""

    image: int
    side: Side


@dataclass(frozen=True)
class ModelCall:
    """Scheduler step `number`'s call of the denoiser. Immutable: a push asks for a changed one.

    `pull` says how far guidance goes away from the uncond's prediction N in this step: guided = ... - pull N, so g - 1 for
    N + g (P - N), g for P + g (P - N), and None where no uncond is evaluated.
    """

    number: int
    rows: tuple[Row, ...]
    pull: float | None = None
    texts: Texts = field(default_factory=dict)
    extra: tuple[Texts, ...] = ()
    appended: Texts = field(default_factory=dict)
    method: Any = None  # attention.push.AttentionPush: how the appended texts are read

    def of(self, side: Side) -> list[int]:
        """The numbers of the rows of that side."""
        return [number for number, row in enumerate(self.rows) if row.side is side]

    def with_text(self, texts: Texts) -> ModelCall:
        """These rows read another text in the place of their own."""
        return replace(self, texts={**self.texts, **texts})

    def again(self, *texts: Texts) -> ModelCall:
        """Each of these sets of rows is evaluated once more, with another text; their answers come behind the call's own."""
        return replace(self, extra=self.extra + texts)

    def append(self, texts: Texts, method: Any) -> ModelCall:
        """These rows read another text behind their own, inside attention, by `method`."""
        return replace(self, appended={**self.appended, **texts}, method=method)

    def changed_from(self, call: ModelCall) -> set[Row]:
        """The rows that here read another text than in `call`, or beside their own."""
        swapped = (row for row, text in self.texts.items() if call.texts.get(row) is not text)
        beside = (row for texts in (self.appended, *self.extra) for row in texts)
        return {self.rows[row] for row in (*swapped, *beside)}


# A push yields the call that it wants made and is sent its answers, [rows, ...], then those of each `again` in the order of
# its rows; it returns the answers that the host goes on with.
Answers = Generator[ModelCall, "list[Tensor]", Tensor]
