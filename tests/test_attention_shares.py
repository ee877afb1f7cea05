"""Attention to groups that are read apart: the same as attention to all of them, and what they share is read once."""

import pytest
import torch

from lib_vlmneg.attention import shares
from lib_vlmneg.attention.shares import read_beside, weighed
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
    keep = torch.tensor([[True, True, False, False], [True, False, True, True]])
    (found,) = read_beside(q, shared, (other.hidden(keep),), refuse)
    shorter = other.part(slice(0, 2))
    torch.testing.assert_close(found[:1], apart(q, shared, [shorter])[0][:1])
    torch.testing.assert_close(found, *apart(q, shared, [other.hidden(keep)]))


def test_what_is_shared_is_read_once(monkeypatch):
    lengths = []
    monkeypatch.setattr(shares, "weighed", lambda q, read: lengths.append(len(read)) or weighed(q, read))
    read_beside(torch.randn(2, 3, 9, 8), tokens(16), (tokens(5), tokens(1)), refuse)
    assert lengths == [5, 1, 16]


@pytest.mark.parametrize("reason", ["no such kernel", "a kernel that refuses"])
def test_without_such_a_kernel_each_is_an_attention_of_its_own(monkeypatch, reason):
    q, shared, others = torch.randn(2, 3, 9, 8), tokens(16), (tokens(5), tokens(1))
    dtype = q.dtype if reason == "no such kernel" else torch.int8  # which flash attention refuses
    if reason == "no such kernel":
        monkeypatch.setattr(shares, "KERNELS", {})
    assert weighed(q.to(dtype), Tokens(shared.k.to(dtype), shared.v.to(dtype))) is None
    monkeypatch.setattr(shares, "weighed", lambda *_: None)
    for one, expected in zip(read_beside(q, shared, others, KERNEL), apart(q, shared, others), strict=True):
        assert torch.equal(one, expected)
