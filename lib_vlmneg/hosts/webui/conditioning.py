"""From negative prompts to the tensors that a denoiser callback may put in the place of `text_uncond`."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from modules import devices, prompt_parser, shared
from torch import Tensor

from . import host, memory

MARKER = 1024.0  # what sd-webui-controlnet fills its hidden first token with, positive in cond, negative in uncond
KEPT = 2  # sets of texts that are kept: the terms, and a null beside them


@dataclass(frozen=True)
class Encoded:
    """What the rows of one image read: its row of what the host made of the whole batch, whose texts it pads to one length.

    `batch` has crossattn [B, T, C], and what a model has beside it.
    """

    batch: dict[str, Tensor]
    image: int


class Encoder:
    """Encodes negative prompts with the host's own conditioning, once for each set of texts and each model."""

    def __init__(self, p: Any, denoiser: Any, x: Tensor):
        self._p, self._denoiser, self._x, self._size = p, denoiser, x, host.size_of(p)
        self._steps = host.prompt_steps(p, denoiser)
        self._forms: dict[str, list[tuple[int, str]]] = {}
        self._kept: dict[Any, dict[str, Tensor]] = {}

    def count_tokens(self, text: str) -> int:
        """Tokens of a negative prompt; of one with prompt editing, those of its longest form."""
        return max(host.tokens(form) for _, form in host.schedule(text, *self._steps))

    def at(self, texts: Sequence[str]) -> tuple[str, ...]:
        """What each negative prompt says at the call under way, prompt editing resolved (prompt_parser.py:306)."""
        call = self._denoiser.step
        return tuple(next((form for end, form in forms if call <= end), forms[0][1]) for forms in map(self._schedule, texts))

    def has(self, prompts: Sequence[str], number: int) -> bool:
        """As push.Encoder; by the model that now is (a refiner brings another in mid-pass)."""
        return (host.model_now(), self.at(prompts)) in self._kept

    def texts(self, prompts: Sequence[str], number: int) -> list[Encoded]:
        """As push.Encoder."""
        key = (host.model_now(), self.at(prompts))
        found = self._kept.pop(key, None)
        if found is None:
            with memory.borrowed(self._p, self._x):
                found = self._rows(shared.sd_model, key[1])
        self._kept = dict([*self._kept.items()][1 - KEPT :]) | {key: found}  # the last used is the last
        return [Encoded(found, image) for image in range(len(prompts))]

    def alone(self, text: str) -> dict[str, Tensor]:
        """What the host makes of one text without prompt editing: crossattn [1, T, C], and what its model has beside it."""
        with devices.autocast():
            return _named(shared.sd_model.get_learned_conditioning(self._conditioning([text])))

    def _schedule(self, text: str) -> list[tuple[int, str]]:
        if text not in self._forms:
            self._forms[text] = host.schedule(text, *self._steps)
        return self._forms[text]

    def _rows(self, model: Any, forms: tuple[str, ...]) -> dict[str, Tensor]:
        unique = list(dict.fromkeys(forms))
        index = [unique.index(form) for form in forms]
        parts = _parts(unique)
        with devices.autocast():
            encoded = [_named(model.get_learned_conditioning(self._conditioning(part))) for part in parts]
            if len({part["crossattn"].shape[1:] for part in encoded}) > 1:  # of different length: only together are they padded
                encoded = [_named(model.get_learned_conditioning(self._conditioning(unique)))]
        return {name: torch.cat([part[name] for part in encoded])[index] for name in encoded[0]}

    def _conditioning(self, texts: list[str]) -> Any:
        width, height = self._size
        found = prompt_parser.SdConditioning(texts, is_negative_prompt=True, width=width, height=height)
        if hasattr(found, "distilled_cfg_scale"):  # Forge's Flux: the uncond carries it too
            name = "hr_distilled_cfg" if host.in_hires(self._p) else "distilled_cfg_scale"
            found.distilled_cfg_scale = getattr(self._p, name, None)
        return found


def rows_of(cond: Any, count: int) -> Any:
    """The first rows of a cond, of the same type."""
    if not isinstance(cond, dict):
        return cond[:count]
    found = copy.copy(cond)
    found.update({name: value[:count] for name, value in cond.items() if isinstance(value, Tensor)})
    return found


def in_place_of(like: Any, batch: dict[str, Tensor]) -> Any:
    """An encoded batch in the form, type and place of `like` ([B, T, C] or SDXL's dict); what else a dict holds stays."""
    if not isinstance(like, dict):
        return _marked(like, batch["crossattn"])
    found = copy.copy(like)  # its class differs from host to host, and so do the arguments of its constructor
    fitting = {name: value for name, value in batch.items() if name in like}
    found.update({name: _marked(like[name], value) if name == "crossattn" else _cast(like[name], value)
                  for name, value in fitting.items()})  # fmt: skip
    return found


def swapped(like: Any, batch: dict[str, Tensor], images: Collection[int]) -> Any:
    """As `in_place_of`, for the rows of these images; where the new ones are of another length, all are the batch's."""
    new = in_place_of(like, batch)
    if not isinstance(like, dict):
        return _mixed(like, new, images)
    if like["crossattn"].shape == new["crossattn"].shape:
        new.update({name: _mixed(like[name], new[name], images) for name in batch if name in like})
    return new


def _mixed(own: Tensor, new: Tensor, images: Collection[int]) -> Tensor:
    """`own` with the rows of these images from `new`, which is one row for each image."""
    if own.shape != new.shape or len(images) == len(new):
        return new
    return torch.stack([new[row] if row in images else own[row] for row in range(len(new))])


def _marked(like: Tensor, rows: Tensor) -> Tensor:
    """With ControlNet's marker in front where `like` has it (sd-webui-controlnet's scripts/hook.py:36)."""
    rows = _cast(like, rows)
    if like.ndim == 3 and like.shape[1] % 77 == 1 and abs(like[:, 0].abs().mean().item() - MARKER) < 1:
        rows = torch.cat([like[:, :1].expand(len(rows), -1, -1), rows], dim=1)
    return rows


def _cast(like: Tensor, rows: Tensor) -> Tensor:
    return rows.to(like.device, like.dtype)


def _named(encoded: Any) -> dict[str, Tensor]:
    """Every model's answer as a dict; Neo's language models give a list of tensors."""
    if isinstance(encoded, dict):
        return {name: value for name, value in encoded.items() if isinstance(value, Tensor)}
    return {"crossattn": _padded(encoded) if isinstance(encoded, (list, tuple)) else encoded}


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """[T, C] each, of one length by repeating the last token, as the host does with prompts (prompt_parser.py:319)."""
    longest = max(len(row) for row in rows)
    return torch.stack([torch.cat([row, row[-1:].expand(longest - len(row), *row.shape[1:])]) for row in rows])


def _parts(texts: list[str]) -> list[list[str]]:
    """What may be encoded together without that one text changes another.

    Emphasis restores the mean of a whole batch (sd_emphasis.py:45), and SDXL's empty negative prompt is all zeros only where
    the whole batch is empty (sd_models_xl.py:36).
    """
    emphasis = getattr(shared.opts, "emphasis", "Original") != "None" and any("(" in text or "[" in text for text in texts)
    if emphasis:
        return [[text] for text in texts]
    return [part for part in ([text for text in texts if text], [text for text in texts if not text]) if part]
