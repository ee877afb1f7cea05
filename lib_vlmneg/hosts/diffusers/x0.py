"""x0 from what a scheduler is given, for every scheduler of diffusers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def predicted_x0(scheduler: Any, model_output: Tensor, timestep: Tensor | float, sample: Tensor) -> tuple[Tensor, float]:
    """x0 and the noise level sigma / alpha of `sample`, before the scheduler takes its step.

    With x = alpha x0 + sigma eps and s^2 = alpha^2 + sigma^2: x0 = (x - sigma eps) / alpha for eps-prediction,
    x0 = (alpha x - sigma s v) / s^2 for v-prediction (Salimans & Ho 2022), x0 = x - sigma v for flow matching. EDM's
    schedulers (Karras et al. 2022) say themselves how the model's output becomes x0.
    """
    alpha, sigma, flow = noise_level(scheduler, timestep)
    x, output = sample.float(), model_output.float()
    if hasattr(scheduler, "precondition_outputs"):
        return scheduler.precondition_outputs(x, output, sigma), sigma
    kind = "flow" if flow else scheduler.config.get("prediction_type", "epsilon")
    if kind in ("flow", "flow_prediction"):
        x0 = x - sigma * output
    elif kind == "v_prediction":
        square = alpha**2 + sigma**2
        x0 = (alpha * x - sigma * square**0.5 * output) / square
    elif kind == "sample":
        x0 = output
    else:
        x0 = (x - sigma * output) / alpha
    return x0, sigma / max(alpha, 1e-8) if not flow else sigma


def noise_level(scheduler: Any, timestep: Tensor | float) -> tuple[float, float, bool]:
    """alpha, sigma, and whether x follows the straight flow (1 - sigma) x0 + sigma eps."""
    if not hasattr(scheduler, "sigmas"):
        alpha_bar = float(scheduler.alphas_cumprod[int(timestep)])
        return alpha_bar**0.5, (1 - alpha_bar) ** 0.5, False
    if scheduler.step_index is None:
        scheduler._init_step_index(timestep)
    sigma = _sigma(scheduler, timestep)
    if scheduler.config.get("prediction_type") == "flow_prediction" or "prediction_type" not in scheduler.config:
        return 1 - sigma, sigma, True
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):  # the DPM-Solver family keeps x at unit variance, but for EDM's
        alpha, sigma = (float(level) for level in scheduler._sigma_to_alpha_sigma_t(torch.tensor(sigma, dtype=torch.float64)))
        return alpha, sigma, False
    return 1.0, sigma, False


def _sigma(scheduler: Any, timestep: Tensor | float) -> float:
    """Sigma at this call. Between two steps, where KDPM2 looks, only `scale_model_input` knows it: it divides by its s."""
    if getattr(scheduler, "state_in_first_order", True) or not hasattr(scheduler, "scale_model_input"):
        return float(scheduler.sigmas[scheduler.step_index])
    scale = float(scheduler.scale_model_input(torch.ones((), dtype=torch.float64), timestep))
    return max(scale**-2 - 1, 0.0) ** 0.5
