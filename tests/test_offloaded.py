"""Denoisers that are stored in fewer bits, moved by group or by accelerate: terms act as the same text typed."""

import numpy as np
import pytest
import torch
from pipelines import OWN, flux, sd

from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

STEPS, G = 3, 4.0


def layerwise(pipe):
    module = getattr(pipe, "unet", None) or pipe.transformer
    module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)


def by_group(pipe):
    module = getattr(pipe, "unet", None) or pipe.transformer
    module.enable_group_offload(onload_device=torch.device("cpu"), offload_type="leaf_level")


def by_model(pipe):
    """As enable_model_cpu_offload does it, which wants a GPU."""
    accelerate = pytest.importorskip("accelerate")
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    before = None
    for part in parts:
        _, before = accelerate.cpu_offload_with_hook(part, torch.device("cpu"), before)


def in_8_bits(pipe):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    module = getattr(pipe, "unet", None) or pipe.transformer
    for name, part in [*module.named_modules()]:
        if isinstance(part, torch.nn.Linear) and ("to_k" in name or "to_v" in name or "add_" in name):
            small = bitsandbytes.nn.Linear8bitLt(
                part.in_features, part.out_features, part.bias is not None, has_fp16_weights=False
            )
            small.load_state_dict(part.state_dict())
            module.set_submodule(name, small.to("cpu"))


def drawn(pipe, push="cfg", terms=None, negative=OWN, **given):
    request = Request("a photo of a pet", negative, steps=STEPS, guidance_scale=G, height=16, width=16)
    settings = Settings(enabled=True, steps=(), push=push, **given) if terms else Settings()
    (image,), record = draw(pipe, request, settings, timelines=[Timeline({0: terms})] if terms else ())
    assert record.failure is None and record.reached == [STEPS if terms else 0]
    return np.asarray(image, int)


@pytest.mark.parametrize("manner", [layerwise, by_group, by_model, in_8_bits])
@pytest.mark.parametrize("build", [sd, flux])
def test_every_push_acts_and_cfg_is_the_text_typed(build, manner):
    pipe = build()
    manner(pipe)
    typed, plain = drawn(pipe, negative=f"{OWN}, dog"), drawn(pipe)
    assert np.array_equal(drawn(pipe, terms=("dog",)), typed) and not np.array_equal(typed, plain)
    separate = drawn(pipe, "separate", ("dog",), push_scale=G - 1)
    assert np.abs(separate - drawn(pipe, negative="dog")).max() <= 1
    assert not np.array_equal(drawn(pipe, "vsf", ("dog",), push_scale=4.0), plain)
    assert np.array_equal(drawn(pipe), plain)
