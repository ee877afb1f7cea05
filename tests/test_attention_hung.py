"""A push in a WebUI hangs on the model for one call, and what fails in it leaves a plain call and nothing behind."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from test_attention_waits import Waits
from test_attention_webui import (
    Patcher,
    UNet,
    a1111,
    attention,
    attention_forge,
    call_of,
    inputs,
    joint_model,
    negative,
    params_of,
)

from lib_vlmneg.attention import patches
from lib_vlmneg.attention.push import AttentionPush, Pushing
from lib_vlmneg.errors import InputError

__all__ = ["a1111"]  # the fixture


class Guard:
    """Keeps what goes wrong to itself."""

    def __init__(self):
        self.kept = []

    @contextmanager
    def __call__(self):
        try:
            yield
        except Exception as error:
            self.kept.append(str(error))


@pytest.fixture
def guard():
    return Guard()


@pytest.fixture
def pushing(guard):
    return Pushing(AttentionPush(), negative(), guard)


def bare(model):
    return (
        not any("forward" in vars(module) for module in model.modules())
        and not model._forward_hooks
        and not model._forward_pre_hooks
    )


def test_in_a1111_it_goes_with_the_last_of_the_calls_rows(a1111, guard, pushing):
    unet, (x, context) = UNet(), inputs(4)
    plain = unet(x, None, context=context)
    with attention.hung(params_of(unet), call_of(0, 1, None, None), pushing):
        first = unet(x[:2], None, context=context[:2])
        assert not bare(unet)
        last = unet(x[2:], None, context=context[2:])
        assert bare(unet)
    assert (first[0] - plain[0]).abs().max() > 1e-3
    torch.testing.assert_close(torch.cat([first[1:], last]), plain[1:])
    assert bare(unet) and not guard.kept and pushing.acted


def test_in_a1111_it_goes_when_the_model_breaks_down(a1111, pushing):
    unet, (x, _) = UNet(), inputs(2)
    hung = attention.hung(params_of(unet), call_of(0, None), pushing)
    hung.__enter__()
    assert not bare(unet)
    with pytest.raises(TypeError):
        unet(x, None, context=None)
    assert bare(unet)


def test_in_a1111_a_push_that_fails_leaves_the_plain_call(a1111, guard, pushing, monkeypatch):
    unet, (x, context), tried = UNet(), inputs(2), []
    plain = unet(x, None, context=context)
    monkeypatch.setattr(attention, "pushed", lambda *_: tried.append(1) or 1 / 0)
    with attention.hung(params_of(unet), call_of(0, None), pushing):
        assert torch.equal(unet(x, None, context=context), plain)
    assert guard.kept == ["division by zero"] and tried == [1] and not pushing.acted


def test_a1111s_sd3_is_refused(pushing):
    with (
        pytest.raises(InputError, match=r"^model: AUTOMATIC1111's Linear cannot be pushed inside its attention; use SD1.5 or"),
        attention.hung(params_of(torch.nn.Linear(1, 1)), call_of(0, None), pushing),
    ):
        pass


def forge(unet):
    """Params of a call in Forge, with what it has for the U-Net."""
    params = params_of(unet)
    objects = params.denoiser.inner_model.inner_model.forge_objects = SimpleNamespace(unet=Patcher(unet))
    return params, objects


def begun(unet, cond_scale=4.5):
    """As the host's sampling_function begins a call with this patcher."""
    for modifier in unet.model_options["conditioning_modifiers"]:
        modifier(None, None, None, [{}], [{}], cond_scale, unet.model_options, 0)


def test_in_forge_a_copy_carries_it_until_the_call_begins(pushing):
    params, objects = forge(UNet())
    own = objects.unet
    given = own.model_options["transformer_options"]
    given["patches"]["attn2_patch"] = theirs = []
    with attention_forge.hung(params, call_of(0, None), pushing):
        copied = objects.unet
        assert copied is not own and copied.model is own.model
        begun(copied)
        assert objects.unet is own  # so that an exception in the model leaves nothing behind
    assert objects.unet is own and own.model_options["transformer_options"] is given
    assert theirs == [] and not {"model_function_wrapper", "conditioning_modifiers"} & own.model_options.keys()


def test_in_forge_a_call_that_never_begins_leaves_nothing_either(pushing):
    params, objects = forge(UNet())
    own = objects.unet
    with pytest.raises(ZeroDivisionError), attention_forge.hung(params, call_of(0, None), pushing):
        raise ZeroDivisionError
    assert objects.unet is own


def test_in_forge_a_u_nets_push_that_fails_leaves_the_plain_call(guard, pushing, monkeypatch):
    unet, (x, context), tried = UNet(), inputs(2), []
    plain = unet(x, None, context=context)
    monkeypatch.setattr(patches, "cross_attention", lambda *_: tried.append(1) or 1 / 0)
    patcher = Patcher(unet)
    attention_forge.attach(patcher, pushing, 2)
    options = {**patcher.model_options["transformer_options"], "cond_or_uncond": [0]}
    torch.testing.assert_close(unet(x, None, context=context, transformer_options=options), plain)
    assert guard.kept == ["division by zero"] and tried == [1]


def test_in_forge_a_joint_models_call_that_fails_is_made_once_more_without_it(guard, monkeypatch):
    model, _ = joint_model("sd3", monkeypatch)
    monkeypatch.setattr(attention_forge, "joint_attention", lambda *_: 1 / 0)
    patcher, (x, context) = Patcher(model), (torch.randn(1, 4, 8), torch.randn(1, 5, 8))
    pushing = Pushing(AttentionPush(), type(negative()).of([torch.randn(3, 8)]), guard)
    attention_forge.attach(patcher, pushing, 1)
    call = {"input": x, "timestep": None, "c": {"c_crossattn": context}, "cond_or_uncond": [0]}
    out = patcher.model_options["model_function_wrapper"](lambda x, t, c_crossattn: model(x, c_crossattn), call)
    assert torch.equal(out, model(x, context)) and guard.kept == ["division by zero"]
    assert pushing.negative is None and not pushing.acted


def test_a_call_that_is_pushed_waits_for_no_device(a1111, pushing):
    unet, (x, context) = UNet(), inputs(4)
    with attention.hung(params_of(unet), call_of(0, 1, None, None), pushing), Waits() as waits:
        unet(x, None, context=context)
    patcher = Patcher(unet)
    attention_forge.attach(patcher, pushing, 2)
    options = {**patcher.model_options["transformer_options"], "cond_or_uncond": [1, 0]}
    with waits:
        unet(x, None, context=context, transformer_options=options)
    assert pushing.acted and not waits.found
