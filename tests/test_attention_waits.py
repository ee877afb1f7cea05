"""A pushed model call asks the device for nothing and brings nothing to it: either would wait for all that is under way."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lib_vlmneg.attention import shares
from lib_vlmneg.attention.cross import cross_attention
from lib_vlmneg.attention.joint import Layout, joint_attention
from lib_vlmneg.attention.masks import Keep, padding
from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.attention.negative import Negative, joined, mixed_pooled
from lib_vlmneg.attention.tokens import Kernel

KERNEL = torch.nn.functional.scaled_dot_product_attention
METHODS = [ValueSignFlip(2.0, 0.3), NormalizedAttention(4.0, 1.5, 0.5), NegativeAway(0.3), None]
IDS = ["vsf", "nag", "nasa", "no push"]
HEADS, PROMPT, IMAGE, WIDTH = 2, 5, 6, 16
ASKING = {
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "equal",
    "index",
    "index_put_",
    "lift_fresh",
}  # the last: torch.tensor


class Waits(TorchDispatchMode):
    """Counts what waits for a device, by name; what is copied from one to another, too."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        devices = {leaf.device for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)}
        if name in ASKING or (name in ("copy_", "_to_copy") and len(devices) > 1):
            self.found[name] += 1
        return out


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """The card's kernel also on the device "meta", which has no numbers to be asked for."""
    monkeypatch.setitem(shares.KERNELS, "meta", shares.KERNELS["cuda"])
    padding.cache_clear()
    torch.manual_seed(0)


def negative(*lengths, device="cpu"):
    texts = [torch.randn(length, WIDTH, device=device) if length else None for length in lengths]
    return Negative.of(texts, [None if text is None else text[0] for text in texts])


def heads(z):
    return z.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def model_call(negative, images, method, compat=False, attend=KERNEL):
    """Joined, and read by a cross-attention and a joint one."""
    device, own = negative.embeds.device, negative.rows(images)
    prompt = torch.randn(len(images), PROMPT, WIDTH, device=device)
    text, image = joined(prompt, own, compat), torch.randn(len(images), IMAGE, WIDTH, device=device)
    both, read = heads(torch.cat([text.embeds, image], 1)), heads(text.embeds)
    mask = torch.ones(len(images), 1, 1, read.shape[2], dtype=torch.bool, device=device)
    for given in (None, mask):
        cross_attention(method, heads(image), read, read, text.negative, text.keep, attend, given)
    joint_attention(method, both, both, both, Layout(text.positive, text.negative, True), text.keep, attend)
    mixed_pooled(prompt[:, 0], own, 1.5)
    return text


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("_local_scalar_dense", lambda z: bool(z.all())),
        ("_local_scalar_dense", lambda z: z.sum().item()),
        ("equal", lambda z: torch.equal(z, z)),
        ("nonzero", lambda z: z.nonzero()),
        ("index", lambda z: z[z > 0]),
        ("index", lambda z: z[[1, 0]]),
        ("lift_fresh", lambda z: torch.tensor([1, 0])),
        ("_to_copy", lambda z: z.to("meta")),
        ("copy_", lambda z: torch.empty(2, device="meta").copy_(z)),
    ],
)
def test_what_waits_is_counted(name, waits):
    with Waits() as counted:
        waits(torch.ones(2))
    assert counted.found[name]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize(
    ("lengths", "images"), [((4,), [0]), ((4, 4), [0, 1]), ((4, 2), [0, 1]), ((3, 0), [0, 1]), ((4, 2), [None, None, 1, 0])]
)
def test_a_model_call_does_not_wait(device, compat, method, lengths, images):
    """Texts of one length, of two, one of two; of rows that are pushed and others."""
    given = negative(*lengths, device=device)
    for attend in (KERNEL, Kernel(KERNEL, {"scale": 0.1}), Kernel(KERNEL, {"dropout_p": 0.1})):
        with Waits() as counted:
            model_call(given, images, method, compat, attend)
        assert not counted.found


@pytest.mark.parametrize(
    ("lengths", "images", "keep"),
    [
        ((4, 4), [0, 1], None),
        ((4, 2), [1], None),  # the longer text is of a row that is not in this call
        ((4, 2), [0, 0], None),
        ((4, 2), [1, 0], Keep((2, 4))),
        ((4, 4), [None, 1], Keep((0, 4))),
    ],
)
def test_there_is_a_mask_only_where_one_is_needed(lengths, images, keep):
    text = model_call(negative(*lengths), images, METHODS[0])
    assert text.keep == keep


def test_the_public_codes_way_hides_the_padding_of_both():
    assert model_call(negative(4, 2), [0, 1], METHODS[0], compat=True).keep == Keep((4, 2), (PROMPT + 4, PROMPT + 2))


def test_what_nothing_hides_is_read_without_a_mask():
    """The positive, where some row's negative is shorter."""
    given, masks = negative(4, 2, device="meta"), []

    def attend(q, k, v, attn_mask=None):
        masks.append(attn_mask)
        return KERNEL(q, k, v, attn_mask=attn_mask)

    text = joined(torch.randn(2, PROMPT, WIDTH, device="meta"), given)
    read = heads(text.embeds)
    cross_attention(METHODS[1], read, read, read, text.negative, text.keep, attend)
    assert [mask is None for mask in masks] == [True, False]


def test_a_mask_is_built_once_for_a_text():
    """Not for each model call or attention."""
    given = negative(4, 2)
    for _ in range(3):
        model_call(given, [0, 1], METHODS[0])
    assert padding.cache_info().misses == 1


def test_a_mask_of_a_call_without_gradients_serves_one_with():
    given = negative(4, 2)
    with torch.inference_mode():
        model_call(given, [0, 1], METHODS[0])
    q = torch.randn(2, HEADS, 3, 8, requires_grad=True)
    read = heads(joined(torch.randn(2, PROMPT, WIDTH), given).embeds)
    cross_attention(METHODS[2], q, read, read, 4, Keep((4, 2)), KERNEL).sum().backward()
    assert q.grad.isfinite().all()


def test_each_row_has_the_text_of_its_image():
    given = negative(4, 2, 0)
    found = given.rows([1, None, 0, 2])
    assert found.lengths == (2, 0, 4, 0)
    assert torch.equal(found.embeds[0], given.embeds[1]) and torch.equal(found.embeds[2], given.embeds[0])
    assert given.rows([0, 1, 2]) is given
    assert torch.equal(given.rows([1]).embeds, given.embeds[1:2, :2])
    positive = torch.randn(4, WIDTH)
    mixed = mixed_pooled(positive, found, 1.5)
    assert torch.equal(mixed[[1, 3]], positive[[1, 3]])
    torch.testing.assert_close(mixed[0], given.pooled[1] + 1.5 * (positive[0] - given.pooled[1]))
