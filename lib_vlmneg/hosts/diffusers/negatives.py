"""Swapping the negative prompt of a running pipeline."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

POOLED = ("add_text_embeds", "pooled_prompt_embeds")  # what SDXL and SD3 call the pooled text in their callbacks
Encoding = Sequence[Tensor]


class Swapper:
    """Puts other negative prompts in the place of a pipeline's own, from the next model call on.

    Pipelines that evaluate both prompts in one call hand their stacked embeddings to the step-end callback, which may return
    others. Where the two are separate calls (Flux, Chroma, Qwen-Image in diffusers 0.42.1) the callback takes nothing back:
    there a hook before the denoiser swaps the text of the second call of each step. `negatives` are the user's own, one an
    image: what is to be swapped must be their encoding, else RuntimeError says that this pipeline keeps it elsewhere.
    """

    def __init__(
        self, pipe: Any, negatives: Sequence[str], encoded: Callable[[float], None], max_sequence_length: int | None = None
    ):
        self._pipe, self._negatives, self._encoded = pipe, tuple(negatives), encoded
        self._length = max_sequence_length
        self._images = len(self._negatives)
        self._own: dict[str, Tensor] = {}
        self._expected: Encoding = ()
        self._texts: tuple[str, ...] | None = None
        self._encoding: Encoding | None = None
        self._calls = 0

    def tensor_inputs(self) -> list[str]:
        """What the callback must be handed."""
        offered = getattr(self._pipe, "_callback_tensor_inputs", [])
        return [name for name in ("prompt_embeds", "negative_prompt_embeds", *POOLED) if name in offered]

    def use(self, texts: Sequence[str] | None) -> None:
        """The negative prompts from the next model call on, one an image; None for the pipeline's own."""
        texts = tuple(texts) if texts else None
        if texts != self._texts:
            began = time.perf_counter()
            self._texts = texts  # first, so that a text which cannot be encoded is tried once
            self._encoding = encode(self._pipe, texts, self._length) if texts else None
            self._encoded(time.perf_counter() - began)
        self._calls = 0

    def in_callback(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the step-end callback returns; nothing before there is anything to swap, so that off costs nothing."""
        if self._encoding is None and not self._own:
            return {}
        stacked = self._stacked(inputs)
        names = [name for name in ("prompt_embeds", *POOLED) if name in inputs] if stacked else ["negative_prompt_embeds"]
        return {name: self._swapped(name, inputs[name]) for name in names if isinstance(inputs.get(name), Tensor)}

    def before_denoiser(
        self, module: torch.nn.Module, args: tuple, kwargs: dict[str, Any]
    ) -> tuple[tuple, dict[str, Any]] | None:
        """A forward pre-hook: swaps the text inputs of the second call of a step, if that is how this pipeline does CFG."""
        self._calls += 1
        text = kwargs.get("encoder_hidden_states")
        separate = isinstance(text, Tensor) and len(text) == self._images
        if self._calls != 2 or not separate or self._encoding is None:
            return None
        names = [name for name, value in kwargs.items() if isinstance(value, Tensor) and is_text(name)]
        self._check("encoder_hidden_states", text)
        return args, kwargs | {name: like(kwargs[name], self._encoding) for name in names}

    def callback_takes_it(self) -> bool:
        """Whether this pipeline takes another negative prompt from its step-end callback."""
        return "negative_prompt_embeds" in self.tensor_inputs()

    def _stacked(self, inputs: dict[str, Any]) -> bool:
        embeds = inputs.get("prompt_embeds")
        return isinstance(embeds, Tensor) and len(embeds) == 2 * self._images

    def _swapped(self, name: str, tensor: Tensor) -> Tensor:
        """`tensor` with its negative rows (the first, where both are stacked) replaced, or with the pipeline's own put back."""
        own = self._check(name, tensor[: self._images])
        rows = own if self._encoding is None else like(own, self._encoding)
        return torch.cat([rows, tensor[self._images :]]) if len(tensor) > self._images else rows

    def _check(self, name: str, own: Tensor) -> Tensor:
        """The pipeline's own rows, as they first came: the encoding of the user's negative prompt."""
        if name not in self._own:
            self._expected = self._expected or encode(self._pipe, self._negatives, self._length)
            expected = like(own, self._expected)
            if expected.shape != own.shape or not torch.allclose(expected.float(), own.float(), rtol=1e-2, atol=1e-2):
                raise RuntimeError(
                    f"{type(self._pipe).__name__} keeps its negative prompt where it is not found; use another model"
                )
            self._own[name] = own
        return self._own[name]


def encode(pipe: Any, texts: Sequence[str], max_sequence_length: int | None = None) -> Encoding:
    """Everything that the pipeline's own `encode_prompt` gives for these texts; with a T5 that reads so many tokens."""
    wanted = {
        "prompt": list(texts),
        "prompt_2": None,
        "prompt_3": None,
        "device": pipe._execution_device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": False,
        **({"max_sequence_length": max_sequence_length} if max_sequence_length else {}),
    }
    accepted = inspect.signature(pipe.encode_prompt).parameters
    with torch.no_grad():
        found = pipe.encode_prompt(**{name: value for name, value in wanted.items() if name in accepted})
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


def is_text(name: str) -> bool:
    """Whether a denoiser's input of that name is made of the prompt."""
    return name.startswith(("encoder_hidden_states", "pooled_projections")) or name in (
        "encoder_attention_mask",
        "attention_mask",
        "text_embeds",
    )


def like(own: Tensor, encoding: Encoding) -> Tensor:
    """The encoded tensor that takes the place of `own`: as many rows and dimensions, the same width."""
    fitting = (tensor for tensor in encoding if tensor.ndim == own.ndim and len(tensor) == len(own))
    exact = [tensor for tensor in fitting if tensor.shape[-1] == own.shape[-1] or not own.is_floating_point()]
    if not exact:
        raise RuntimeError(f"no encoding of the new text has the shape {tuple(own.shape)} that the model was given")
    return exact[0].to(own.device, own.dtype)
