"""The push inside attention on a host's own model classes: HOST_SOURCE is the host's folder.

Nothing of the host is started, so that hosts count which cannot be run here; its packages (einops, ...) must be importable.
"""

import inspect
import os
import sys
from dataclasses import dataclass

import pytest
import torch
from host_models import FAMILIES, ONE, PROMPT, TEXT, built, called, importable, inputs
from test_attention_webui import METHODS, Patcher, attention_forge

from lib_vlmneg.attention.methods import Method, NegativeAway
from lib_vlmneg.attention.negative import Negative
from lib_vlmneg.attention.push import AttentionPush, Pushing
from lib_vlmneg.attention.tokens import attended, join
from lib_vlmneg.errors import InputError

pytestmark = pytest.mark.skipif(not os.environ.get("HOST_SOURCE"), reason="no host's source: set HOST_SOURCE")
NEGATIVE = 3
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module", autouse=True)
def host():
    with pytest.MonkeyPatch.context() as patch:
        importable(patch)
        yield


@pytest.fixture
def negative():
    torch.manual_seed(2)
    return torch.randn(NEGATIVE, TEXT)


@dataclass(frozen=True)
class Reading(Method):
    """No push: the negative is read like the rest of the text."""

    name = "reading"

    def __call__(self, q, positive, negative, attend, shared=None):
        text = join(positive, negative)
        return attended(attend, q, join(shared, text) if shared else text)


def drawn(model, kinds=(1, 0), push=None, negative=None, text=None):
    """What the model gives for an uncond's row and a cond's, pushed or plain."""
    unet = Patcher(model)
    x, context, y = inputs(model, len(kinds))
    if push is not None:
        attention_forge.attach(unet, Pushing(push, Negative.of([negative])), 1)
    return called(unet, x, context if text is None else text, y, list(kinds))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_only_the_prompts_row_is_pushed_and_the_model_is_left_as_it_was(family, method, negative):
    model = built(family)
    plain = drawn(model)
    found = drawn(model, push=AttentionPush(method), negative=negative)
    torch.testing.assert_close(found[:1], plain[:1], **CLOSE)
    assert (found[1:] - plain[1:]).abs().max() > 1e-3
    assert torch.equal(drawn(model), plain)


@pytest.mark.parametrize(("family", "one"), [(family, one) for family, all_ones in ONE.items() for one in all_ones])
def test_a_negative_that_is_read_like_a_prompt_is_a_longer_prompt(family, one, negative):
    """The host's own attention to both says where the tokens belong: heads, positions, order."""
    model = built(family, **one)
    _, context, _ = inputs(model, 1)
    expected = drawn(model, [0], text=torch.cat([context, negative[None]], 1))
    torch.testing.assert_close(drawn(model, [0], AttentionPush(Reading()), negative), expected, **CLOSE)
    assert (expected - drawn(model, [0])).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("family", "first", "second"),
    [("unet", "down", "up"), ("sd3", "joint.0", "joint.1"), ("flux", "double", "single.1"), ("chroma", "double.1", "single")],
)
def test_blocks_are_found_by_their_names(family, first, second, negative):
    model = built(family)
    found = [drawn(model, push=AttentionPush(METHODS[0], blocks), negative=negative) for blocks in (first, second, "all")]
    assert min((one - other).abs().max() for one, other in zip(found, found[1:] + found[:1])) > 1e-4
    with pytest.raises(InputError, match=r"^push_blocks: 'nowhere' does not exist; there are "):
        drawn(model, push=AttentionPush(METHODS[0], "nowhere"), negative=negative)


def test_a_block_that_another_replaces_as_a_whole_is_pushed_inside_it(negative):
    """Neo's and reForge's `patches_replace["dit"]`."""
    model, replaced = built("flux"), []
    if "patches_replace" not in inspect.getsource(sys.modules[type(model).__module__]):
        pytest.skip("this host replaces no blocks")
    unet = Patcher(model)
    attention_forge.attach(unet, Pushing(AttentionPush(), Negative.of([negative])), 1)
    pushed = called(unet, *inputs(model, 1), [0])
    block = {("double_block", 0): lambda args, more: replaced.append(args["txt"].shape[1]) or more["original_block"](args)}
    unet.model_options["transformer_options"]["patches_replace"]["dit"] = block
    assert torch.equal(called(unet, *inputs(model, 1), [0]), pushed)
    assert replaced == [PROMPT + NEGATIVE]


def test_pooled_text_is_led_away_where_there_is_one(negative):
    model, pooled = built("flux"), torch.rand(8)
    unet = Patcher(model)
    push = AttentionPush(NegativeAway(0.0), pooled=2.0)
    attention_forge.attach(unet, Pushing(push, Negative.of([negative], [pooled])), 1)
    x, context, y = inputs(model, 1)
    expected = called(Patcher(model), x, context, pooled + 2 * (y - pooled), [0])
    torch.testing.assert_close(called(unet, x, context, y, [0]), expected, **CLOSE)
