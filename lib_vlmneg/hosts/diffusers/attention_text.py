"""A negative's text as attention is pushed with it: encoded by the pipeline, without its padding."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...attention.negative import Negative
from .families import Family

CLIP_LENGTH = 77


def encode_negative(pipe: Any, family: Family, texts: Sequence[str]) -> Negative | None:
    """One text an image; an empty one pushes nothing. None if all are empty."""
    encoded = {text: _encode(pipe, family, text) for text in dict.fromkeys(texts) if text.strip()}
    found = [encoded.get(text, (None, None)) for text in texts]
    return Negative.of([embeds for embeds, _ in found], [pooled for _, pooled in found])


@torch.no_grad()
def _encode(pipe: Any, family: Family, text: str) -> tuple[Tensor, Tensor | None]:
    """Embeddings [n, D] and pooled text [D'].

    A T5 lets padding change its words, so it must not see any; a CLIP reads from the left, so its padding can go afterwards.
    """
    clips, others = [], []
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        tokenizer = getattr(pipe, name, None)
        if tokenizer is not None:
            kind = clips if type(tokenizer).__name__.startswith("CLIPTokenizer") else others
            kind.append(len(tokenizer(text).input_ids))
    accepted = inspect.signature(pipe.encode_prompt).parameters
    wanted = {
        "prompt": [text],
        "prompt_2": None,
        "prompt_3": None,
        "device": pipe._execution_device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": False,
        "max_sequence_length": min(max(others, default=0), accepted["max_sequence_length"].default) if others else None,
    }
    wanted = {name: value for name, value in wanted.items() if name in accepted and (others or name != "max_sequence_length")}
    given = [tensor for tensor in pipe.encode_prompt(**wanted) if isinstance(tensor, Tensor)]
    embeds = next(tensor for tensor in given if tensor.ndim == 3)[0]
    pooled = next((tensor[0] for tensor in given if tensor.ndim == 2 and len(tensor) == 1), None)
    if family.clip:
        words = min(max(clips), CLIP_LENGTH)
        embeds = torch.cat([embeds[:words], embeds[CLIP_LENGTH:]]) if family.t5 else embeds[:words]
    return embeds, pooled
