"""A negative's text for a push inside attention in a WebUI: what the host encodes, without its padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from modules import shared
from torch import Tensor

from ...errors import InputError
from . import host, memory
from .conditioning import Encoder

CHUNK = 77  # tokens of one chunk of a CLIP, start and end with them
Bare = tuple[Tensor, "Tensor | None"]  # embeds [n, D] and pooled [D']


class BareEncoder:
    """Encodes the texts of a push inside attention, each once; an empty one is None, which pushes nothing."""

    def __init__(self, p: Any, encoder: Encoder, x: Tensor):
        self._p, self._encoder, self._x = p, encoder, x
        self._kept: dict[Any, Bare | None] = {}

    def has(self, prompts: Sequence[str], number: int) -> bool:
        """As push.Encoder."""
        return all((host.model_now(), form) in self._kept for form in self._encoder.at(prompts))

    def texts(self, prompts: Sequence[str], number: int) -> list[Bare | None]:
        """As push.Encoder."""
        keys = [(host.model_now(), form) for form in self._encoder.at(prompts)]
        self._kept = {key: self._kept[key] for key in keys if key in self._kept}
        if missing := [key for key in dict.fromkeys(keys) if key not in self._kept]:
            with memory.borrowed(self._p, self._x):
                self._kept |= {key: self._bare(key[1]) for key in missing}
        return [self._kept[key] for key in keys]

    def _bare(self, form: str) -> Bare | None:
        return bare(form, shared.sd_model, self._encoder.alone(form)) if form.strip() else None


def family_of(model: Any) -> str:
    """The family of models that this is one of, as attention.asked has them."""
    objects = getattr(model, "forge_objects", None)
    inner = (objects.unet.model if objects else model.model).diffusion_model
    if hasattr(inner, "double_blocks"):
        return "flux" if hasattr(inner, "vector_in") else "chroma"
    if hasattr(inner, "joint_blocks"):
        return "sd3"
    return "sdxl" if getattr(model, "is_sdxl", False) else "sd15"


def bare(text: str, model: Any, rows: Mapping[str, Tensor]) -> Bare:
    """Of the host's rows for one text, crossattn [1, T, D] and, where the model has it, vector [1, D'], what is no padding.

    Raises InputError for a model whose text neither a CLIP nor a T5 reads (Neo's Flux2).
    """
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
