"""Attention to groups that are read apart: the same as attention to all of them, and what they share is read once."""

import pytest
import torch

from lib_vlmneg.attention import shares
from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.attention.shares import read_beside, readings
from lib_vlmneg.attention.tokens import Tokens, attended, join

KERNEL = torch.nn.functional.scaled_dot_product_attention


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def tokens(length, dtype=torch.float32, spread=1.0):
    k, v = torch.randn(2, 2, 3, length, 8, dtype=dtype)
    return Tokens(spread * k, v)


def apart(q, shared, others):
    return [attended(KERNEL, q, join(shared, other)) for other in others]


def refuse(*_, **__):
    raise AssertionError("an attention of its own")


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 5e-6), (torch.float64, 1e-12), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("spread", [0.0, 1.0, 20.0])  # 20: one key takes all
def test_it_is_attention_to_both(dtype, limit, spread):
    q, shared, *others = torch.randn(2, 3, 9, 8, dtype=dtype), *(tokens(n, dtype, spread) for n in (16, 5, 1))
    found = read_beside(q, shared, tuple(others), refuse)
    for one, expected in zip(found, apart(q, shared, others), strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one, expected, rtol=0, atol=limit)


def test_hidden_tokens_stay_hidden():
    q, shared, other = torch.randn(2, 3, 9, 8), tokens(16), tokens(4)
    (found,) = read_beside(q, shared, (other.hidden((2, 3)),), refuse)
    for row, length in enumerate((2, 3)):
        shorter = other.part(slice(0, length))
        torch.testing.assert_close(found[row], apart(q, shared, [shorter])[0][row])
    torch.testing.assert_close(found, *apart(q, shared, [other.hidden((2, 3))]))


def test_those_of_whom_nothing_is_seen_weigh_nothing():
    """The kernel itself says 0 of them, which is the weight of a token whose logit is 0."""
    q, shared, other = torch.randn(2, 3, 9, 8), tokens(16), tokens(4).hidden((4, 0))
    for found in (read_beside(q, shared, (other,), refuse), read_beside(q, other, (shared,), refuse)):
        torch.testing.assert_close(found[0][1], KERNEL(q, shared.k, shared.v)[1])
    assert read_beside(q, other, (other,), refuse)[0].isfinite().all()


def test_what_is_shared_is_read_once(monkeypatch):
    lengths = []
    reading = shares._reading
    monkeypatch.setattr(shares, "_reading", lambda q, group, scale: lengths.append(len(group)) or reading(q, group, scale))
    read_beside(torch.randn(2, 3, 9, 8), tokens(16), (tokens(5), tokens(1)), refuse)
    assert sorted(lengths) == [1, 5, 16]


@pytest.mark.parametrize("reason", ["no such kernel", "a precision that it is not made for"])
def test_without_such_a_kernel_each_is_an_attention_of_its_own(monkeypatch, reason):
    q, shared, others = torch.randn(2, 3, 9, 8), tokens(16), (tokens(5), tokens(1))
    expected = apart(q, shared, others)
    if reason == "no such kernel":
        monkeypatch.setattr(shares, "KERNELS", {})
        assert readings(KERNEL, q, shared) is None
    else:
        assert readings(KERNEL, q.to(torch.int8), Tokens(shared.k.to(torch.int8), shared.v.to(torch.int8))) is None
        monkeypatch.setattr(shares, "_reading", lambda *_: None)
    for one, other in zip(read_beside(q, shared, others, KERNEL), expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("lengths", [None, (4, 0)])
@pytest.mark.parametrize("method", [ValueSignFlip(2.0, 0.3), NormalizedAttention(4.0, 1.5, 0.5), NegativeAway(0.3)])
@pytest.mark.parametrize("joint", [False, True])
def test_a_method_is_the_same_without_such_a_kernel(monkeypatch, joint, method, lengths):
    q, positive, negative = torch.randn(2, 3, 9, 8), tokens(5), tokens(4).hidden(lengths)
    given = q, positive, negative, KERNEL, tokens(16) if joint else None
    found = method(*given)
    monkeypatch.setattr(shares, "KERNELS", {})
    torch.testing.assert_close(found, method(*given), rtol=1e-4, atol=1e-5)
