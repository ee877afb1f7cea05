"""The separate push as a guider, the interface of diffusers' modular pipelines (written for diffusers 0.42)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from diffusers.configuration_utils import register_to_config
from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from torch import Tensor

from ...guidance.cfg import cfg
from ...guidance.dual import dual


class SeparateNegativeGuidance(BaseGuidance):
    """eps = eps_0 + g (eps_c - eps_0) - w (eps_neg - eps_0), VL-DNP (Chang, Kim and Choi 2025, arXiv 2510.26052).

    eps_0 is the pipeline's own negative prompt; empty, it is the paper's null. `negative` is what the text encoders make of
    the third text, tensors with one row or one an image; it may be set and taken away (None) between any two steps, and the
    third branch is evaluated only while it is there. Without it this is ClassifierFreeGuidance, bit for bit.

    guidance_scale (g) is CFG's; negative_scale (w) is 0 for nothing, g - 1 for what CFG would do, 5 to 20 in the paper. start
    and stop are shares of the run between which it guides.
    """

    _input_predictions = ["pred_cond", "pred_uncond", "pred_negative"]

    @register_to_config
    def __init__(
        self,
        guidance_scale: float = 7.5,
        negative_scale: float = 7.5,
        start: float = 0.0,
        stop: float = 1.0,
        enabled: bool = True,
    ):
        super().__init__(start, stop, enabled)
        self.guidance_scale, self.negative_scale = guidance_scale, negative_scale
        self.negative: Iterable[Tensor] | None = None

    def prepare_inputs(self, data: Mapping[str, Any]) -> list[Any]:
        """A batch for each branch, of inputs by name: (the prompt's, the negative prompt's), or one for both."""
        batches = [self._prepare_batch(data, index, self._input_predictions[index]) for index in range(self.num_conditions)[:2]]
        if self.num_conditions == 3:
            batches.append(self._prepare_batch(self._third(data), 1, self._input_predictions[2]))
        return batches

    def prepare_inputs_from_block_state(self, data: Any, input_fields: Mapping[str, Any]) -> list[Any]:
        """The same, of a block's state by the names of its fields."""
        named = {
            key: tuple(getattr(data, name, None) for name in fields)
            if isinstance(fields, tuple)
            else getattr(data, fields, None)
            for key, fields in input_fields.items()
        }
        return self.prepare_inputs(named)

    def forward(
        self, pred_cond: Tensor, pred_uncond: Tensor | None = None, pred_negative: Tensor | None = None
    ) -> GuiderOutput:
        """The guided prediction, of the same shape."""
        if pred_uncond is None:
            pred = pred_cond
        elif pred_negative is None:
            pred = cfg(pred_cond, pred_uncond, self.guidance_scale)
        else:
            pred = dual(pred_cond, pred_uncond, pred_negative, self.guidance_scale, self.negative_scale)
        return GuiderOutput(pred=pred, pred_cond=pred_cond, pred_uncond=pred_uncond)

    @property
    def is_conditional(self) -> bool:
        """Whether the branch that is evaluated now is the prompt's."""
        return self._count_prepared == 1

    @property
    def num_conditions(self) -> int:
        """Branches at this step. Where w may need a null it is always prepared: pipelines look here for what to encode."""
        if not self._guides() or (self.guidance_scale == 1 and self.negative_scale == 0):
            return 1
        return 3 if self.negative is not None and self.negative_scale else 2

    def _guides(self) -> bool:
        if not self._enabled or self._num_inference_steps is None:
            return self._enabled
        first, end = (int(share * self._num_inference_steps) for share in (self._start, self._stop))
        return first <= self._step < end

    def _third(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with the third text in the place of the negative prompt's."""
        texts = {name for name in data if _is_text(name)}
        if not any(isinstance(data[name], tuple) and data[name][1] is not None for name in texts):
            raise ValueError("there is no null to measure the negative from; give a negative_prompt, if only an empty one")
        return {
            name: (None, self._rows(value[1])) if name in texts and isinstance(value, tuple) else value
            for name, value in data.items()
        }

    def _rows(self, own: Tensor) -> Tensor:
        spread = [rows.expand(len(own), *rows.shape[1:]) if len(rows) == 1 else rows for rows in self.negative]
        return _like(own, spread)


def _is_text(name: str) -> bool:
    """Whether an input of a modular pipeline's denoiser is made of the prompt."""
    starts, names = ("encoder_hidden_states", "pooled_projections"), ("encoder_attention_mask", "text_embeds", "prompt_embeds")
    return name.startswith(starts) or name in names


def _like(own: Tensor, encoded: Iterable[Tensor]) -> Tensor:
    """The encoded tensor that takes the place of `own`: as many rows and dimensions, the same width."""
    fitting = (tensor for tensor in encoded if tensor.ndim == own.ndim and len(tensor) == len(own))
    exact = [tensor for tensor in fitting if tensor.shape[-1] == own.shape[-1] or not own.is_floating_point()]
    if not exact:
        raise RuntimeError(f"no encoding of the new text has the shape {tuple(own.shape)} that the model was given")
    return exact[0].to(own.device, own.dtype)
