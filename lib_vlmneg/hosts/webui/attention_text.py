"""A negative's text for a push in a WebUI: what the host encodes, without its padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...attention.negative import Negative
from ...errors import InputError

CHUNK = 77  # tokens of one chunk of a CLIP, start and end with them


def negative_of(texts: Sequence[str], model: Any, encode: Callable[[str], Mapping[str, Tensor]]) -> Negative | None:
    """One text an image, prompt editing resolved; an empty one pushes nothing. None if all are empty.

    `encode` gives the host's rows for one text: crossattn [1, T, D] and, where the model has it, vector [1, D']. Raises
    InputError for a model whose text neither a CLIP nor a T5 reads (Neo's Flux2).
    """
    encoded = {text: _unpadded(text, model, encode(text)) for text in dict.fromkeys(texts) if text.strip()}
    found = [encoded.get(text, (None, None)) for text in texts]
    return Negative.of([embeds for embeds, _ in found], [pooled for _, pooled in found])


def _unpadded(text: str, model: Any, rows: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    embeds, vector = rows["crossattn"][0], rows.get("vector")
    t5 = getattr(model, "text_processing_engine_t5", None)
    keep: list[int] = []
    if t5 is None or getattr(model, "is_sd3", False):  # Flux's CLIP gives its pooled text alone
        keep = _clip_tokens(model, text)
    if t5 is not None:
        start = CHUNK * (1 + keep[-1] // CHUNK) if keep else 0
        if bool(embeds[start:].any()):  # without its T5 Forge's SD3 has zeros there (sd35.py:92)
            keep += range(start, start + _length(t5.tokenize_line(text)[0][0].tokens, t5.id_end))
    if not keep:
        name = type(model).__name__
        raise InputError(f"model: the tokens of {name}'s text cannot be told from their padding; push cfg or separate")
    return embeds[torch.tensor(keep, device=embeds.device)], None if vector is None else vector[0]


def _clip_tokens(model: Any, text: str) -> list[int]:
    """Where a text has its tokens, start and end of each chunk with them; of two CLIPs, where either has."""
    names = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")  # Forge's
    readers = [getattr(model, name) for name in names if hasattr(model, name)]
    if not readers:
        readers = getattr(getattr(model, "conditioner", None), "embedders", None) or [model.cond_stage_model]
    found = set()
    for reader in readers:
        chunks = reader.tokenize_line(text)[0] if hasattr(reader, "tokenize_line") else []
        for number, chunk in enumerate(chunks):
            found |= {number * CHUNK + place for place in range(_length(chunk.tokens, reader.id_end))}
    return sorted(found)


def _length(tokens: Sequence[int], end: int) -> int:
    """Tokens up to the first end, with it; all of them where none is."""
    return list(tokens).index(end) + 1 if end in tokens else len(tokens)
