"""x0 as every scheduler has it: the truth where the model is right, and the scheduler's own estimate where it offers one."""

import inspect

import diffusers
import pytest
import torch

from lib_vlmneg.hosts.diffusers.x0 import predicted_x0

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ALL, TWO = ("epsilon", "v_prediction", "sample"), ("epsilon", "v_prediction")
STOCHASTIC = {"DPMSolverMultistepScheduler": {"algorithm_type": "sde-dpmsolver++"}}
SUPPORTED = {  # the prediction types of each scheduler
    "DDIMScheduler": ALL,
    "DDPMScheduler": ALL,
    "EulerDiscreteScheduler": TWO,
    "EulerAncestralDiscreteScheduler": TWO,
    "HeunDiscreteScheduler": ALL,
    "DPMSolverMultistepScheduler": ALL,
    "DPMSolverSinglestepScheduler": ALL,
    "DEISMultistepScheduler": ALL,
    "UniPCMultistepScheduler": ALL,
    "SASolverScheduler": ALL,
    "LMSDiscreteScheduler": TWO,
    "PNDMScheduler": TWO,
    "LCMScheduler": ALL,
    "TCDScheduler": ALL,
    "KDPM2DiscreteScheduler": TWO,
    "KDPM2AncestralDiscreteScheduler": TWO,
}
FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler")
CASES = [(name, kind) for name, kinds in SUPPORTED.items() for kind in kinds]


def scheduler_of(name, steps=8, **config):
    if name == "LMSDiscreteScheduler":
        pytest.importorskip("scipy")
    scheduler = getattr(diffusers, name)(**config)
    scheduler.set_timesteps(steps)
    return scheduler


def noise_scheduler(name, kind, **config):
    """Of the Stable Diffusion kind; what a scheduler clips is no longer the model's x0, so none does."""
    accepted = inspect.signature(getattr(diffusers, name)).parameters
    config = {key: value for key, value in {"clip_sample": False, **config}.items() if key in accepted}
    return scheduler_of(name, **BETAS, prediction_type=kind, **config)


def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 4, 8, 8, generator=generator)


def perfect(kind, x0, eps, alpha, sigma):
    """What a model that knows x0 says."""
    return {"epsilon": eps, "v_prediction": alpha * eps - sigma * x0, "sample": x0}[kind]


def reached(scheduler, index):
    """alpha and sigma of the variance-preserving process at this timestep, from the betas alone."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha_bar = float((1 - betas).cumprod(0)[int(scheduler.timesteps[index])])
    return alpha_bar**0.5, (1 - alpha_bar) ** 0.5


@pytest.mark.parametrize("index", [0, 4])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_x0_is_the_truth_where_the_model_is_right(name, kind, index):
    scheduler, (x0, eps) = noise_scheduler(name, kind, timestep_spacing="leading"), pictures()
    alpha, sigma = reached(scheduler, index)
    timestep = scheduler.timesteps[index]
    noisy = scheduler.add_noise(x0, eps, timestep[None])
    found, level = predicted_x0(scheduler, perfect(kind, x0, eps, alpha, sigma), timestep, noisy)
    torch.testing.assert_close(found, x0, atol=1e-4, rtol=0)
    assert level == pytest.approx(sigma / alpha, rel=1e-4)


@pytest.mark.parametrize("index", [0, 4])
@pytest.mark.parametrize("name", FLOW)
def test_x0_of_a_flow_is_x_less_sigma_v(name, index):
    scheduler, (x0, eps) = scheduler_of(name, shift=3.0), pictures()
    sigma = float(scheduler.timesteps[index]) / 1000
    found, level = predicted_x0(scheduler, eps - x0, scheduler.timesteps[index], (1 - sigma) * x0 + sigma * eps)
    torch.testing.assert_close(found, x0, atol=1e-5, rtol=0)
    assert level == pytest.approx(sigma)


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_a_diffusion_scheduler_turned_to_flow_is_a_flow(name):
    scheduler = scheduler_of(name, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    x0, eps = pictures()
    sigma = float(scheduler.sigmas[4])
    found, level = predicted_x0(scheduler, eps - x0, scheduler.timesteps[4], (1 - sigma) * x0 + sigma * eps)
    torch.testing.assert_close(found, x0, atol=1e-5, rtol=0)
    assert level == pytest.approx(sigma)


def own_estimates(scheduler):
    """Runs the scheduler on random model outputs; at each call its own estimate of x0, and ours."""
    x, _ = pictures()
    x = x * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(1)
    accepts_generator = "generator" in inspect.signature(scheduler.step).parameters
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        output = 0.5 * scaled + torch.randn(x.shape, generator=generator)
        ours, _ = predicted_x0(scheduler, output, timestep, x)
        theirs = scheduler.convert_model_output(output, sample=x) if hasattr(scheduler, "convert_model_output") else None
        stepped = scheduler.step(output, timestep, x, **({"generator": generator} if accepts_generator else {}))
        x = stepped.prev_sample
        yield ours, stepped.pred_original_sample if theirs is None else theirs


OFFERED = [(name, kind, {}) for name, kind in CASES if name not in ("PNDMScheduler", "LCMScheduler", "TCDScheduler")]
OFFERED += [(name, kind, config) for name, config in STOCHASTIC.items() for kind in ALL]
OFFERED += [
    (name, kind, {"use_karras_sigmas": True}) for name in ("EulerDiscreteScheduler", "HeunDiscreteScheduler") for kind in TWO
]
OFFERED += [("DDPMScheduler", "v_prediction", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"})]


@pytest.mark.parametrize(("name", "kind", "config"), OFFERED)
def test_x0_is_the_schedulers_own_estimate_at_every_call(name, kind, config):
    scheduler = noise_scheduler(name, kind, **config)
    if scheduler.config.get("algorithm_type") == "deis":
        pytest.skip("DEIS estimates the noise")
    calls = 0
    for ours, theirs in own_estimates(scheduler):
        torch.testing.assert_close(ours, theirs.to(ours.dtype), atol=1e-3, rtol=1e-4)
        calls += 1
    assert calls == len(scheduler.timesteps) >= 8


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_edm_has_its_own_preconditioning(name, kind):
    scheduler = scheduler_of(name, prediction_type=kind)
    for ours, theirs in own_estimates(scheduler):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


def test_half_precision_is_computed_in_single():
    scheduler, (x0, eps) = noise_scheduler("EulerDiscreteScheduler", "epsilon"), pictures()
    noisy = scheduler.add_noise(x0, eps, scheduler.timesteps[:1])
    found, _ = predicted_x0(scheduler, eps.half(), scheduler.timesteps[0], noisy.half())
    exact = noisy.half().float() - float(scheduler.sigmas[0]) * eps.half().float()
    torch.testing.assert_close(found, exact)
