"""Holds a model that writes its answer to a list of allowed ones, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor


class Vocabulary:
    """The tokens that may follow, so that what is written is one of `terms`, with or without a blank before it."""

    def __init__(self, terms: Sequence[str], tokenizer: Any):
        self._end = [tokenizer.eos_token_id]
        self._next: dict[tuple[int, ...], set[int]] = {}
        for term in terms:
            for text in (term, f" {term}"):
                tokens = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
                for length in range(len(tokens)):
                    self._next.setdefault(tokens[:length], set()).add(tokens[length])
                self._next.setdefault(tokens, set()).update(self._end)

    def after(self, begun: int) -> Callable[[int, Tensor], list[int]]:
        """For `generate`: the tokens allowed next, where the answer begins at token `begun`."""

        def allowed(_: int, tokens: Tensor) -> list[int]:
            return sorted(self._next.get(tuple(tokens[begun:].tolist()), self._end))

        return allowed
