"""Pipelines whose denoiser is compiled: the pushes act as on one that is not, and it is compiled again afterwards."""

import numpy as np
import pytest
import torch
from pipelines import flux, sd

from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

MANNERS = ("wrapped", "in place", "its blocks")
REQUEST = Request("a photo of a pet", negative_prompt="dog", steps=3, height=16, width=16, guidance_scale=3.0)


def compiled(pipe, manner):
    name = "unet" if hasattr(pipe, "unet") else "transformer"
    module = getattr(pipe, name)
    if manner == "wrapped":
        setattr(pipe, name, torch.compile(module, backend="eager"))
    elif manner == "in place":
        module.compile(backend="eager")
    else:
        for part in module.modules():
            if type(part).__name__.endswith("TransformerBlock"):
                part.compile(backend="eager")
    return getattr(pipe, name)


def drawn(pipe, push):
    pushed = Settings(enabled=True, steps=(), push=push, push_scale=4.0)
    images, record = draw(pipe, REQUEST, pushed, timelines=[Timeline({1: ("cat",)})])
    assert record.failure is None and not record.note
    return np.asarray(images[0])


@pytest.mark.parametrize("push", ["cfg", "separate", "nag"])
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("family", [sd, flux])
def test_a_push_acts_as_on_one_that_is_not(family, manner, push):
    pipe = family()
    plain, expected = np.asarray(draw(pipe, REQUEST, Settings())[0][0]), drawn(pipe, push)
    assert not np.array_equal(plain, expected)
    module = compiled(pipe, manner)
    draw(pipe, REQUEST, Settings())  # compiles, before any hook is put on
    calls = [part._compiled_call_impl for part in module.modules()]
    assert np.array_equal(drawn(pipe, push), expected)
    assert getattr(pipe, "unet", None) is module or pipe.transformer is module
    assert [part._compiled_call_impl for part in module.modules()] == calls
    assert np.array_equal(np.asarray(draw(pipe, REQUEST, Settings())[0][0]), plain)
