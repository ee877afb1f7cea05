"""VSF, NAG and NASA against plain, slow references written from the formulas."""

import math

import pytest
import torch

from lib_vlmneg.attention.cross import cross_attention
from lib_vlmneg.attention.joint import Layout, joint_attention
from lib_vlmneg.attention.masks import Keep
from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.errors import InputError
from lib_vlmneg.guidance.nag import nag
from lib_vlmneg.guidance.nasa import nasa
from lib_vlmneg.guidance.vsf import vsf

B, H, IMAGE, POSITIVE, NEGATIVE, D = 2, 3, 7, 5, 4, 8
KERNEL = torch.nn.functional.scaled_dot_product_attention


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def tensors(*lengths):
    return [torch.randn(B, H, length, D, dtype=torch.float64) for length in lengths]


def exponentials(q, k):
    """A = exp(Q K^T / sqrt(d))."""
    return torch.exp(torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(D))


def slowly(q, k, v, see):
    """Attention token by token; `see[i]` lists what query i reads, as (key, weight of its logit's exponential, sign)."""
    out = torch.zeros(*q.shape[:3], v.shape[-1], dtype=q.dtype)
    logits = exponentials(q, k)
    for i, seen in enumerate(see):
        share = sum(logits[:, :, i, j] * weight for j, weight, _ in seen)
        for j, weight, sign in seen:
            out[:, :, i] += (logits[:, :, i, j] * weight / share)[..., None] * sign * v[:, :, j]
    return out


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (3.0, 0.2), (0.0, 0.1), (0.5, 2.0)])
def test_vsf_is_the_formula(alpha, beta):
    q, kp, vp, kn, vn = tensors(IMAGE, POSITIVE, POSITIVE, NEGATIVE, NEGATIVE)
    seen = [(j, 1.0, 1.0) for j in range(POSITIVE)]
    seen += [(POSITIVE + j, math.exp(-beta), -alpha) for j in range(NEGATIVE)]
    expected = slowly(q, torch.cat([kp, kn], 2), torch.cat([vp, vn], 2), [seen] * IMAGE)
    torch.testing.assert_close(vsf(q, kp, vp, kn, vn, alpha, beta), expected)


def test_vsf_is_a_weighted_difference():
    q, kp, vp, kn, vn = tensors(IMAGE, POSITIVE, POSITIVE, NEGATIVE, NEGATIVE)
    a, b = exponentials(q, kp), exponentials(q, kn) * math.exp(-0.3)
    w = (a.sum(-1) / (a.sum(-1) + b.sum(-1)))[..., None]
    expected = w * KERNEL(q, kp, vp) - 2.5 * (1 - w) * KERNEL(q, kn, vn)
    torch.testing.assert_close(vsf(q, kp, vp, kn, vn, 2.5, 0.3), expected)


def test_an_endless_offset_leaves_the_positive_alone():
    q, kp, vp, kn, vn = tensors(IMAGE, POSITIVE, POSITIVE, NEGATIVE, NEGATIVE)
    torch.testing.assert_close(vsf(q, kp, vp, kn, vn, 3.0, math.inf), KERNEL(q, kp, vp))


def test_a_scale_of_zero_is_not_off():
    q, kp, vp, kn, vn = tensors(IMAGE, POSITIVE, POSITIVE, NEGATIVE, NEGATIVE)
    assert vsf(q, kp, vp, kn, vn, 0.0, 0.0).abs().sum() < KERNEL(q, kp, vp).abs().sum()


@pytest.mark.parametrize(("phi", "tau", "alpha"), [(4.0, 2.5, 0.25), (2.0, 1.0, 0.5), (0.1, 10.0, 1.0)])
def test_nag_is_the_formula(phi, tau, alpha):
    positive, negative = torch.randn(2, 3, 6, dtype=torch.float64)
    expected = torch.empty_like(positive)
    for row, (plus, minus) in enumerate(zip(positive, negative)):
        pushed = [p + phi * (p - n) for p, n in zip(plus.tolist(), minus.tolist())]
        ratio = sum(map(abs, pushed)) / sum(map(abs, plus.tolist()))
        bounded = [min(ratio, tau) / ratio * value for value in pushed]
        expected[row] = torch.tensor([alpha * b + (1 - alpha) * p for b, p in zip(bounded, plus.tolist())])
    torch.testing.assert_close(nag(positive, negative, phi, tau, alpha), expected, rtol=1e-6, atol=1e-6)


def test_nag_of_nothing_is_a_number():
    assert nag(torch.zeros(1, 4), torch.zeros(1, 4), 4.0, 2.5, 0.25).tolist() == [[0.0] * 4]


def test_nasa_is_the_formula():
    assert nasa(torch.tensor([1.0, 2.0]), torch.tensor([4.0, -8.0]), 0.25).tolist() == [0.0, 4.0]


METHODS = [ValueSignFlip(2.0, 0.3), NormalizedAttention(4.0, 1.5, 0.5), NegativeAway(0.3)]
NAMES = [method.name for method in METHODS]


def image_by_hand(method, q, k, v, shared, positive, negative):
    """What image queries get, from the formulas; the arguments are lists of keys."""
    if method.name == "vsf":
        seen = [(j, 1.0, 1.0) for j in shared + positive]
        seen += [(j, math.exp(-method.offset), -method.scale) for j in negative]
        return slowly(q, k, v, [seen] * q.shape[2])
    plus = slowly(q, k, v, [[(j, 1.0, 1.0) for j in shared + positive]] * q.shape[2])
    minus = slowly(q, k, v, [[(j, 1.0, 1.0) for j in shared + negative]] * q.shape[2])
    if method.name == "nasa":
        return plus - method.scale * minus
    merged = [z.transpose(1, 2).flatten(2) for z in (plus, minus)]
    pushed = nag(*merged, method.scale, method.tau, method.alpha)
    return pushed.unflatten(-1, (H, D)).transpose(1, 2)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_cross_attention_is_the_formula(method):
    q, k, v = tensors(IMAGE, POSITIVE + NEGATIVE, POSITIVE + NEGATIVE)
    positive, negative = list(range(POSITIVE)), list(range(POSITIVE, POSITIVE + NEGATIVE))
    expected = image_by_hand(method, q, k, v, [], positive, negative)
    torch.testing.assert_close(cross_attention(method, q, k, v, NEGATIVE, None, KERNEL), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_each_row_has_its_own_negative_or_none(method):
    q, k, v = tensors(IMAGE, POSITIVE + NEGATIVE, POSITIVE + NEGATIVE)
    out = cross_attention(method, q, k, v, NEGATIVE, Keep((NEGATIVE - 2, 0)), KERNEL)
    shorter = cross_attention(method, q[:1], k[:1, :, :-2], v[:1, :, :-2], NEGATIVE - 2, None, KERNEL)
    torch.testing.assert_close(out[:1], shorter)
    torch.testing.assert_close(out[1:], KERNEL(q[1:], k[1:, :, :POSITIVE], v[1:, :, :POSITIVE]))


def test_the_hosts_own_mask_still_holds():
    q, k, v = tensors(IMAGE, POSITIVE + NEGATIVE, POSITIVE + NEGATIVE)
    mask = torch.ones(B, 1, 1, POSITIVE + NEGATIVE, dtype=torch.bool)
    mask[..., 0] = False
    out = cross_attention(METHODS[0], q, k, v, NEGATIVE, None, KERNEL, attn_mask=mask)
    torch.testing.assert_close(out, cross_attention(METHODS[0], q, k[:, :, 1:], v[:, :, 1:], NEGATIVE, None, KERNEL))


def test_without_a_method_the_negative_is_not_seen():
    q, k, v = tensors(IMAGE, POSITIVE + NEGATIVE, POSITIVE + NEGATIVE)
    out = cross_attention(None, q, k, v, NEGATIVE, None, KERNEL)
    torch.testing.assert_close(out, KERNEL(q, k[:, :, :POSITIVE], v[:, :, :POSITIVE]))


@pytest.mark.parametrize("text_first", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_joint_attention_is_the_formula(method, text_first):
    """Image sees image, positive and the copy; positive sees image and itself; negative sees image and itself."""
    length = IMAGE + POSITIVE + NEGATIVE
    q, k, v = tensors(length, length, length)
    order = [*range(length)]
    if text_first:
        positive, negative, image = order[:POSITIVE], order[POSITIVE : POSITIVE + NEGATIVE], order[POSITIVE + NEGATIVE :]
    else:
        image, positive, negative = order[:IMAGE], order[IMAGE : IMAGE + POSITIVE], order[IMAGE + POSITIVE :]
    expected = torch.empty_like(q)
    expected[:, :, image] = image_by_hand(method, q[:, :, image], k, v, image, positive, negative)
    for text in (positive, negative):
        expected[:, :, text] = slowly(q[:, :, text], k, v, [[(j, 1.0, 1.0) for j in image + text]] * len(text))
    out = joint_attention(method, q, k, v, Layout(POSITIVE, NEGATIVE, text_first), None, KERNEL)
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_joint_rows_have_their_own_negative_or_none(method):
    length = IMAGE + POSITIVE + NEGATIVE
    q, k, v = tensors(length, length, length)
    rest = slice(0, IMAGE + POSITIVE)
    out = joint_attention(method, q, k, v, Layout(POSITIVE, NEGATIVE, False), Keep((NEGATIVE, 0)), KERNEL)
    torch.testing.assert_close(out[1:, :, rest], KERNEL(q[1:, :, rest], k[1:, :, rest], v[1:, :, rest]))
    both = joint_attention(method, q, k, v, Layout(POSITIVE, NEGATIVE, False), None, KERNEL)
    torch.testing.assert_close(out[:1], both[:1])


@pytest.mark.parametrize("value", ["strong", None, -1, math.nan, math.inf])
def test_a_strength_that_is_none_is_said(value):
    with pytest.raises(InputError, match=r"^vsf_scale: .*; give a number from 0 up$"):
        ValueSignFlip(scale=value)


def test_nag_has_bounds():
    with pytest.raises(InputError, match=r"nag_tau: 0\.5 is out of range; give a number from 1 up"):
        NormalizedAttention(tau=0.5)
    with pytest.raises(InputError, match=r"nag_alpha: 2\.0 is out of range; give a number from 0 to 1"):
        NormalizedAttention(alpha=2)


def test_nag_of_large_numbers_in_half_precision_is_a_number():
    positive, negative = torch.full((2, 1, 3072), 60.0, dtype=torch.float16), torch.zeros(1, 3072, dtype=torch.float16)
    found = nag(positive, negative, 4.0, 2.5, 0.25)
    assert found.unique().tolist() == [0.25 * 2.5 * 60 + 0.75 * 60]
