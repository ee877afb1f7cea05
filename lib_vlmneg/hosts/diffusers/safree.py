"""SAFREE on pipelines whose prompt one CLIP reads: what the prompt's rows read, filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...guidance.safree import Filter, moved, projected, projector, steps_filtered, triggers
from ...push.filtered import Filtered
from .families import unet
from .families.family import Family


def safree(pipe: Any, family: Family | None, prompt: str, steps: int, chosen: Filter) -> Filtered:
    """Raises InputError for a pipeline whose prompt is read in another way."""
    if family is not unet.STABLE_DIFFUSION:
        raise InputError(f"safree: {type(pipe).__name__} reads its prompt with more, or other, than one CLIP; leave it out")
    result, beta = filtered(pipe, prompt, chosen)
    last = steps_filtered(beta, chosen.most * steps, chosen.k, chosen.t_0) if chosen.validated else steps
    return Filtered({family.parts[0].path: result[0]}, last)


@torch.no_grad()
def filtered(pipe: Any, prompt: str, chosen: Filter) -> tuple[Tensor, float]:
    """The prompt's embeddings [1, 77, D] with the triggers projected, and how far all its tokens would move.

    A token is masked by hiding it from the others' attention. Start and end are no tokens of the prompt.
    """
    own = pipe.encode_prompt([prompt], pipe._execution_device, 1, False)[0]
    ids = _ids(pipe, [prompt])
    count = len(pipe.tokenizer(prompt, add_special_tokens=False, truncation=True, max_length=ids.shape[1] - 2).input_ids)
    if count == 0:
        return own, 0.0
    seen = torch.ones(count, ids.shape[1], dtype=torch.long, device=ids.device)
    seen[range(count), range(1, count + 1)] = 0
    masked = pipe.text_encoder(ids.expand(count, -1), attention_mask=seen).pooler_output.float()
    concept = projector(pipe.text_encoder(_ids(pipe, chosen.phrases)).pooler_output.float())
    tokens = own[0, 1 : count + 1].float()
    changed = projected(tokens, projector(masked), concept)
    is_trigger = triggers(masked, concept, chosen.alpha)
    result = own.clone()
    result[0, 1 : count + 1] = torch.where(is_trigger[:, None], changed, tokens).to(own)
    return result, moved(tokens, changed)


def _ids(pipe: Any, texts: Sequence[str]) -> Tensor:
    longest = pipe.tokenizer.model_max_length
    found = pipe.tokenizer(list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
    return found.input_ids.to(pipe._execution_device)
