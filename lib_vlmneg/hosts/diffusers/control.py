"""ControlNets of U-Nets read the prompt too: where a row of the U-Net reads another text, its ControlNet does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .families.family import Family
from .inputs import Inputs, Text, chosen_rows, count_rows, groups, with_texts

DOWN, MID = "down_block_additional_residuals", "mid_block_additional_residual"  # as the U-Net is given them


@dataclass(frozen=True)
class Control:
    """A ControlNet as a pipeline called it in this step: one row for each of the U-Net's, or (guess mode) the cond's alone."""

    family: Family
    plain: Callable[..., Any]
    inputs: Inputs

    def residuals(self, wanted: Sequence[tuple[int, Text | None]]) -> Any:
        """What it gives for these rows, each with the text that it reads (None: its own)."""
        parts = groups(self.inputs, self.family, wanted)
        found = [self._of_group([wanted[place] for place in part]) for part in parts]
        return found[0] if len(found) == 1 else _merged(found, parts)

    def given_to(self, unet: Inputs, wanted: Sequence[tuple[int, Text | None]]) -> Inputs:
        """A U-Net's inputs for these rows, with the residuals that go with their texts in them."""
        if not any(text is not None for _, text in wanted) or count_rows(self.inputs, self.family) <= max(
            row for row, _ in wanted
        ):
            return unet
        down, mid = self.residuals(wanted)
        return {**unet, DOWN: down, MID: mid}

    def _of_group(self, wanted: Sequence[tuple[int, Text | None]]) -> Any:
        inputs = chosen_rows(self.inputs, self.family, [row for row, _ in wanted])
        texts: Mapping[int, Text] = {number: text for number, (_, text) in enumerate(wanted) if text is not None}
        return self.plain(**with_texts(inputs, self.family, texts))


def _merged(found: Sequence[Any], parts: Sequence[Sequence[int]]) -> Any:
    """The residuals of several calls as one: tensors, however deep, with their rows in the places that `parts` says."""
    if isinstance(found[0], Tensor):
        rows = {place: row for part, each in zip(parts, found) for place, row in zip(part, each.unbind(0))}
        return torch.stack([rows[place] for place in range(len(rows))])
    return type(found[0])(_merged(inner, parts) for inner in zip(*found))
