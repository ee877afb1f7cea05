"""A module's own kernel call keeps its keywords and its mask: the same as torch's kernel on the tokens that are read."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from lib_vlmneg.attention.cross import cross_attention
from lib_vlmneg.attention.joint import Layout, joint_attention
from lib_vlmneg.attention.kernel import answered
from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.attention.shares import readings
from lib_vlmneg.attention.tokens import Kernel, Tokens
from lib_vlmneg.errors import InputError
from lib_vlmneg.guidance.nag import nag
from lib_vlmneg.guidance.nasa import nasa

B, H, IMAGE, POSITIVE, NEGATIVE, D = 2, 4, 7, 5, 3, 8
TEXT, LENGTH = POSITIVE + NEGATIVE, IMAGE + POSITIVE + NEGATIVE
METHODS = [ValueSignFlip(2.0, 0.3), ValueSignFlip(2.0, 0.0), NormalizedAttention(4.0, 1.5, 0.5), NegativeAway(0.3)]
IDS = ["vsf", "vsf without offset", "nag", "nasa"]
KEYWORDS = [{}, {"scale": 0.05}, {"scale": 2.0}, {"enable_gqa": True}, {"enable_gqa": True, "scale": 0.05}]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Calling(nn.Module):
    """An attention that calls its kernel in one way or another."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *given):
        return self.call(*given)


def cross_answer(method):
    return lambda q, k, v, mask, attend: cross_attention(method, q, k, v, NEGATIVE, None, attend, mask)


def joint_answer(method, text_first=False):
    layout = Layout(POSITIVE, NEGATIVE, text_first)
    return lambda q, k, v, mask, attend: joint_attention(method, q, k, v, layout, None, attend, mask)


def asked(answer, call, *given):
    module = Calling(call)
    with answered([("down.0", module, answer)], lambda: True):
        return module(*given)


def tensors(queries, keys, keywords=None):
    heads = H // 2 if (keywords or {}).get("enable_gqa") else H
    return torch.randn(B, H, queries, D), *torch.randn(2, B, heads, keys, D)


def read(q, k, v, keys, mask, keywords):
    """Torch's own kernel on some of the keys."""
    return scaled_dot_product_attention(
        q, k[:, :, keys], v[:, :, keys], attn_mask=None if mask is None else mask[..., keys], **keywords
    )


def image_by_torch(method, q, k, v, mask, shared, positive, negative, keywords):
    if method.name == "vsf":
        push, v = torch.zeros(k.shape[2]), v.clone()
        push[negative] = -method.offset
        v[:, :, negative] *= -method.scale
        mask = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf) if mask is not None and mask.dtype == torch.bool else mask
        mask = push[None, None, None] if mask is None else mask + push
        return read(q, k, v, [*shared, *positive, *negative], mask, keywords)
    plain = read(q, k, v, [*shared, *positive], mask, keywords)
    away = read(q, k, v, [*shared, *negative], mask, keywords)
    if method.name == "nasa":
        return nasa(plain, away, method.scale)
    merged = (z.transpose(1, 2).flatten(2) for z in (plain, away))
    return nag(*merged, method.scale, method.tau, method.alpha).unflatten(-1, (H, D)).transpose(1, 2)


def cross_by_torch(method, q, k, v, mask, keywords):
    return image_by_torch(method, q, k, v, mask, [], range(POSITIVE), range(POSITIVE, TEXT), keywords)


def joint_by_torch(method, q, k, v, mask, keywords, text_first=False):
    """Image, positive and negative: what each reads, by a call of its own."""
    text = 0 if text_first else IMAGE
    image = range(TEXT, LENGTH) if text_first else range(IMAGE)
    positive, negative = range(text, text + POSITIVE), range(text + POSITIVE, text + TEXT)

    def by(queries):
        return None if mask is None else mask[:, :, queries] if mask.shape[2] > 1 else mask

    out = torch.empty_like(q)
    out[:, :, image] = image_by_torch(method, q[:, :, image], k, v, by(image), image, positive, negative, keywords)
    for group in (positive, negative):
        out[:, :, group] = read(q[:, :, group], k, v, [*image, *group], by(group), keywords)
    return out


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_cross_attention_keeps_the_keywords(method, keywords):
    given = tensors(IMAGE, TEXT, keywords)
    found = asked(cross_answer(method), lambda q, k, v: scaled_dot_product_attention(q, k, v, **keywords), *given)
    torch.testing.assert_close(found, cross_by_torch(method, *given, None, keywords), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text_first", [False, True])
@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_joint_attention_keeps_the_keywords(method, keywords, text_first):
    given = tensors(LENGTH, LENGTH, keywords)
    answer = joint_answer(method, text_first)
    found = asked(answer, lambda q, k, v: scaled_dot_product_attention(q, k, v, **keywords), *given)
    expected = joint_by_torch(method, *given, None, keywords, text_first)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda q, k, v, mask: scaled_dot_product_attention(q, k, v, mask, scale=0.05),
        lambda q, k, v, mask: scaled_dot_product_attention(q, k, v, mask, 0.0, False, scale=0.05),
        lambda q, k, v, mask: scaled_dot_product_attention(
            query=q, key=k, value=v, attn_mask=mask, dropout_p=0.0, is_causal=False, scale=0.05, enable_gqa=False
        ),
    ],
)
@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
@pytest.mark.parametrize("heads", [1, H])
@pytest.mark.parametrize("each", [False, True])
def test_every_form_of_a_call_keeps_the_mask(call, kind, heads, each):
    """One for every query or one for all, True where it may look or numbers to add."""
    for method in METHODS:
        for length, answer, by_torch in ((IMAGE, cross_answer, cross_by_torch), (LENGTH, joint_answer, joint_by_torch)):
            keys = TEXT if length == IMAGE else LENGTH
            mask = torch.randn(B, heads, length if each else 1, keys)
            mask = (mask > -0.5).index_fill(3, torch.tensor([0, POSITIVE, keys - 1]), True) if kind == torch.bool else mask
            given = tensors(length, keys)
            found, expected = asked(answer(method), call, *given, mask), by_torch(method, *given, mask, {"scale": 0.05})
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_dropout_is_torchs_own(method):
    """Of one seed the same are dropped."""
    for length, answer, by_torch in ((IMAGE, cross_answer, cross_by_torch), (LENGTH, joint_answer, joint_by_torch)):
        given = tensors(length, TEXT if length == IMAGE else LENGTH)
        torch.manual_seed(1)
        found = asked(answer(method), lambda q, k, v: scaled_dot_product_attention(q, k, v, None, 0.5), *given)
        torch.manual_seed(1)
        torch.testing.assert_close(found, by_torch(method, *given, None, {"dropout_p": 0.5}))
        without = by_torch(method, *given, None, {})
        assert (found - without).abs().max() > 0.1


@pytest.mark.parametrize("answer", [cross_answer, joint_answer])
@pytest.mark.parametrize("method", [*METHODS[:1], None])
@pytest.mark.parametrize(
    "call",
    [
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, None, 0.0, True),
    ],
)
def test_a_causal_attention_is_refused_by_name(answer, method, call):
    with pytest.raises(InputError, match=r"^attention: down\.0 is causal \(is_causal\), which leaves a negative no place"):
        asked(answer(method), call, *tensors(LENGTH, LENGTH))


def test_where_a_keyword_has_an_effect_no_other_kernel_is_asked():
    q, k, v = tensors(IMAGE, TEXT)
    fewer = Tokens(k[:, :1], v[:, :1])
    for keywords in ({"dropout_p": 0.1}, {"is_causal": True}, {"of_a_later_torch": 0}):
        assert readings(Kernel(scaled_dot_product_attention, keywords), q, Tokens(k, v)) is None
    assert readings(Kernel(scaled_dot_product_attention, {"enable_gqa": True}), q, fewer) is None
    for other in (fewer, Tokens(k[:1], v[:1])):  # of fewer rows it would read beyond the end
        assert readings(scaled_dot_product_attention, q, other) is None
    for keywords in ({"dropout_p": 0.0, "is_causal": False, "enable_gqa": True, "scale": None}, {"scale": 0.5}, {}):
        assert readings(Kernel(scaled_dot_product_attention, keywords), q, Tokens(k, v)) is not None
