"""A push in a WebUI hangs on the model for one call, and what fails in it leaves a plain call and nothing behind."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from test_attention_webui import Patcher, UNet, a1111, attention, attention_forge, inputs, joint_model, negative

from lib_vlmneg.attention.push import AttentionPush
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


def call_of(model, x, context, images, **forge):
    """What on_cfg_denoiser is given for a call of these images, the uncond stacked behind them."""
    inner = SimpleNamespace(model=SimpleNamespace(diffusion_model=model), **forge)
    cond = SimpleNamespace(batch=[[None]] * images)
    sampler = SimpleNamespace(sampler_extra_args={"cond": cond})
    denoiser = SimpleNamespace(inner_model=SimpleNamespace(inner_model=inner), sampler=sampler)
    return SimpleNamespace(denoiser=denoiser, text_cond=context[:images], x=x)


def bare(model):
    return (
        not any("forward" in vars(module) for module in model.modules())
        and not model._forward_hooks
        and not model._forward_pre_hooks
    )


def test_in_a1111_it_goes_with_the_last_of_the_calls_rows(a1111, guard):
    unet, (x, context) = UNet(), inputs(4)
    plain = unet(x, None, context=context)
    with attention.hung(call_of(unet, x, context, 2), AttentionPush(), guard) as attachment:
        attachment.pushing.negative = negative()
        first = unet(x[:2], None, context=context[:2])
        assert not bare(unet)
        last = unet(x[2:], None, context=context[2:])
        assert bare(unet)
    assert (first[0] - plain[0]).abs().max() > 1e-3
    torch.testing.assert_close(torch.cat([first[1:], last]), plain[1:])
    assert bare(unet) and not guard.kept


def test_in_a1111_it_goes_when_the_model_breaks_down(a1111, guard):
    unet, (x, context) = UNet(), inputs(2)
    hung = attention.hung(call_of(unet, x, context, 1), AttentionPush(), guard)
    hung.__enter__().pushing.negative = negative()
    with pytest.raises(TypeError):
        unet(x, None, context=None)
    assert bare(unet)


def test_in_a1111_a_push_that_fails_leaves_the_plain_call(a1111, guard, monkeypatch):
    unet, (x, context), tried = UNet(), inputs(2), []
    plain = unet(x, None, context=context)
    monkeypatch.setattr(attention, "pushed", lambda *_: tried.append(1) or 1 / 0)
    with attention.hung(call_of(unet, x, context, 1), AttentionPush(), guard) as attachment:
        attachment.pushing.negative = negative()
        assert torch.equal(unet(x, None, context=context), plain)
    assert guard.kept == ["division by zero"] and tried == [1]


def test_a1111s_sd3_is_refused(guard):
    model, (x, context) = torch.nn.Linear(1, 1), inputs(2)
    with (
        pytest.raises(InputError, match=r"^model: AUTOMATIC1111's Linear cannot be pushed inside its attention; use SD1.5 or"),
        attention.hung(call_of(model, x, context, 1), AttentionPush(), guard),
    ):
        pass


def test_in_forge_a_copy_carries_it_and_the_own_u_net_is_back(guard):
    unet, (x, context) = UNet(), inputs(2)
    own = Patcher(unet)
    given = own.model_options["transformer_options"]
    given["patches"]["attn2_patch"] = theirs = []
    objects = SimpleNamespace(unet=own)
    with attention_forge.hung(call_of(unet, x, context, 1, forge_objects=objects), AttentionPush(), guard):
        assert objects.unet is not own and objects.unet.model is own.model
    assert objects.unet is own and own.model_options["transformer_options"] is given
    assert theirs == [] and "model_function_wrapper" not in own.model_options


def test_in_forge_a_u_nets_push_that_fails_leaves_the_plain_call(guard, monkeypatch):
    unet, (x, context), tried = UNet(), inputs(2), []
    plain = unet(x, None, context=context)
    monkeypatch.setattr(attention_forge, "cross_attention", lambda *_: tried.append(1) or 1 / 0)
    patcher = Patcher(unet)
    attention_forge.attach(patcher, AttentionPush(), guard).pushing.negative = negative()
    options = {**patcher.model_options["transformer_options"], "cond_or_uncond": [0]}
    torch.testing.assert_close(unet(x, None, context=context, transformer_options=options), plain)
    assert guard.kept == ["division by zero"] and tried == [1]


def test_in_forge_a_joint_models_call_that_fails_is_made_once_more_without_it(guard, monkeypatch):
    model, _ = joint_model("sd3", monkeypatch)
    monkeypatch.setattr(attention_forge, "joint_attention", lambda *_: 1 / 0)
    patcher, (x, context) = Patcher(model), (torch.randn(1, 4, 8), torch.randn(1, 5, 8))
    attachment = attention_forge.attach(patcher, AttentionPush(), guard)
    attachment.pushing.negative = type(negative()).of([torch.randn(3, 8)])
    call = {"input": x, "timestep": None, "c": {"c_crossattn": context}, "cond_or_uncond": [0]}
    out = patcher.model_options["model_function_wrapper"](lambda x, t, c_crossattn: model(x, c_crossattn), call)
    assert torch.equal(out, model(x, context)) and guard.kept == ["division by zero"]
    assert attachment.pushing.negative is None
