"""SAFREE on pipelines whose prompt one CLIP reads: the denoiser is handed the filtered prompt, in as many steps as it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...guidance.safree import Filter, moved, projected, projector, steps_filtered, triggers
from .denoiser import as_written
from .negatives import encode

TEXT = "encoder_hidden_states"


class Safree:
    """One run's. `step` is the step that the denoiser is called for; `last` the last one whose prompt is filtered.

    Raises InputError for a pipeline whose prompt is read in another way.
    """

    def __init__(self, pipe: Any, prompt: str, images: int, steps: int, chosen: Filter):
        if not _one_clip(pipe):
            raise InputError(f"safree: {type(pipe).__name__} reads its prompt with more, or other, than one CLIP; leave it out")
        self._pipe, self.step, self._images = pipe, 0, images
        self._own, self._filtered, beta = filtered(pipe, prompt, chosen)
        upper = chosen.most * steps
        self.last = steps_filtered(beta, upper, chosen.k, chosen.t_0) if chosen.validated else steps

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hangs on the denoiser what it needs; nothing stays there."""
        with as_written(self._pipe) as denoiser, denoiser.register_forward_pre_hook(self._before, with_kwargs=True):
            yield

    def _before(self, module: torch.nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        text = kwargs.get(TEXT)
        if self.step > self.last or text is None:
            return None
        rows = text[-self._images :]  # the prompt's come last; in a separate push's call the rows are of its terms
        if not torch.allclose(rows.float(), self._own.float().expand_as(rows), rtol=1e-2, atol=1e-2):
            return None
        changed = self._filtered.to(text).expand_as(rows)
        return args, kwargs | {TEXT: torch.cat([text[: -self._images], changed])}


@torch.no_grad()
def filtered(pipe: Any, prompt: str, chosen: Filter) -> tuple[Tensor, Tensor, float]:
    """The prompt's embeddings [1, 77, D] as they are and with the triggers projected, and how far all its tokens would move.

    A token is masked by hiding it from the others' attention. Start and end are no tokens of the prompt.
    """
    own = encode(pipe, [prompt])[0]
    ids = _ids(pipe, [prompt])
    count = len(pipe.tokenizer(prompt, add_special_tokens=False, truncation=True, max_length=ids.shape[1] - 2).input_ids)
    if count == 0:
        return own, own, 0.0
    seen = torch.ones(count, ids.shape[1], dtype=torch.long, device=ids.device)
    seen[range(count), range(1, count + 1)] = 0
    masked = pipe.text_encoder(ids.expand(count, -1), attention_mask=seen).pooler_output.float()
    concept = projector(pipe.text_encoder(_ids(pipe, chosen.phrases)).pooler_output.float())
    tokens = own[0, 1 : count + 1].float()
    changed = projected(tokens, projector(masked), concept)
    is_trigger = triggers(masked, concept, chosen.alpha)
    result = own.clone()
    result[0, 1 : count + 1] = torch.where(is_trigger[:, None], changed, tokens).to(own)
    return own, result, moved(tokens, changed)


def _ids(pipe: Any, texts: Sequence[str]) -> Tensor:
    longest = pipe.tokenizer.model_max_length
    found = pipe.tokenizer(list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
    return found.input_ids.to(pipe._execution_device)


def _one_clip(pipe: Any) -> bool:
    clip = type(getattr(pipe, "tokenizer", None)).__name__.startswith("CLIPTokenizer")
    return clip and hasattr(pipe, "unet") and getattr(pipe, "text_encoder_2", None) is None
