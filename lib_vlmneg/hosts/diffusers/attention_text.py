"""A negative's text as attention is pushed with it: encoded by the pipeline, without its padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .encode import Encoder
from .families.family import Family

CLIP_LENGTH = 77
Bare = tuple[Tensor, "Tensor | None"]  # embeds [n, D] and pooled [D']


class BareEncoder:
    """Encodes the texts of a push inside attention; an empty one is None, which pushes nothing."""

    def __init__(self, pipe: Any, family: Family, encoder: Encoder):
        self._pipe, self._family, self._encoder = pipe, family, encoder
        self._kept: dict[str, Bare | None] = {}

    def has(self, prompts: Sequence[str], number: int) -> bool:
        """As push.Encoder."""
        return all(prompt in self._kept for prompt in prompts)

    def texts(self, prompts: Sequence[str], number: int) -> list[Bare | None]:
        """As push.Encoder."""
        kept = {prompt: bare for prompt, bare in self._kept.items() if prompt in prompts}
        self._kept = kept | {prompt: self._bare(prompt) for prompt in dict.fromkeys(prompts) if prompt not in kept}
        return [self._kept[prompt] for prompt in prompts]

    def _bare(self, prompt: str) -> Bare | None:
        """A T5 lets padding change its words, so it must not see any; a CLIP reads from the left, so its can go afterwards."""
        if not prompt.strip():
            return None
        family, clips, others = self._family, [], []
        for tokenizer in self._tokenizers():
            kind = clips if type(tokenizer).__name__.startswith("CLIPTokenizer") else others
            kind.append(tokenizer)
        if family.reader.chunk:
            return self._chunked(prompt, clips)
        longest = max((len(tokenizer(prompt).input_ids) for tokenizer in others), default=0)
        text = self._encoder.one(prompt, **({"max_sequence_length": min(longest, self._encoder.longest)} if others else {}))
        embeds, pooled = self._parts(text)
        if family.attention.clip:
            embeds = torch.cat([embeds[: _words(prompt, clips)], embeds[CLIP_LENGTH:]])
        return embeds, pooled

    def _chunked(self, prompt: str, clips: Sequence[Any]) -> Bare:
        chunks = self._encoder.chunks(prompt)
        found = [self._parts(self._encoder.one(chunk)) for chunk in chunks]
        bare = [embeds[: _words(chunk, clips)] for chunk, (embeds, _) in zip(chunks, found)]
        return torch.cat(bare), found[0][1]

    def _tokenizers(self) -> list[Any]:
        found = (getattr(self._pipe, name, None) for name in ("tokenizer", "tokenizer_2", "tokenizer_3"))
        return [tokenizer for tokenizer in found if tokenizer is not None]

    def _parts(self, text: Any) -> Bare:
        first, *others = self._family.parts
        pooled = next((part.path for part in others if "pooled" in part.name), None)
        return text[first.path], text[pooled] if pooled else None


def _words(prompt: str, clips: Sequence[Any]) -> int:
    """How many of a CLIP's tokens are not padding: start and end are not; of two CLIPs, where either has some."""
    return min(max(len(tokenizer(prompt).input_ids) for tokenizer in clips), CLIP_LENGTH)
