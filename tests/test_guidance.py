"""The formulas, against themselves in other forms and against what the paper says of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.guidance.cfg import cfg
from lib_vlmneg.guidance.dual import away, dual

SCALES = st.floats(0, 20)


def predictions(dtype=torch.float32, count=3, shape=(2, 4, 8, 8)):
    """Of the prompt, the null and the negative."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype) for _ in range(count)]


def test_cfg_is_the_prompt_at_1_and_the_uncond_at_0():
    cond, null, _ = predictions(torch.float64)
    torch.testing.assert_close(cfg(cond, null, 1.0), cond)
    assert torch.equal(cfg(cond, null, 0.0), null)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("g", [0.0, 1.0, 4.5, 7.5])
def test_without_weight_it_is_cfg_bit_for_bit(dtype, g):
    cond, null, negative = predictions(dtype)
    assert torch.equal(dual(cond, null, negative, g, 0.0), cfg(cond, null, g))


@given(SCALES)
def test_at_one_less_than_the_scale_it_is_cfg_with_the_negative_whatever_the_null(g):
    cond, null, negative = predictions(torch.float64)
    torch.testing.assert_close(dual(cond, null, negative, g, g - 1), cfg(cond, negative, g))
    torch.testing.assert_close(dual(cond, 3 * null + 1, negative, g, g - 1), cfg(cond, negative, g))


@given(SCALES, SCALES)
def test_it_is_the_papers_formula(g, w):
    cond, null, negative = (tensor.flatten()[0].item() for tensor in predictions(torch.float64))
    found = dual(*(torch.tensor([value], dtype=torch.float64) for value in (cond, null, negative)), g, w)
    assert found.item() == pytest.approx(null + g * (cond - null) - w * (negative - null))


@given(SCALES, SCALES, st.floats(0.05, 0.95))
def test_it_is_the_same_in_eps_in_x0_and_in_velocity(g, w, sigma):
    x, *eps = predictions(torch.float64, count=4)
    alpha = (1 - sigma**2) ** 0.5
    expected = dual(*eps, g, w)
    x0 = dual(*((x - sigma * each) / alpha for each in eps), g, w)
    torch.testing.assert_close((x - alpha * x0) / sigma, expected)
    velocity = dual(*(alpha * each - sigma * (x - sigma * each) / alpha for each in eps), g, w)
    torch.testing.assert_close(sigma * x + alpha * velocity, expected)


@given(SCALES, SCALES, st.floats(0.05, 0.95))
def test_it_is_the_same_in_the_velocity_of_a_flow(g, w, sigma):
    x, *velocities = predictions(torch.float64, count=4)
    x0 = dual(*(x - sigma * each for each in velocities), g, w)
    torch.testing.assert_close(x - sigma * dual(*velocities, g, w), x0)


def test_it_pushes_from_the_null_away_from_the_negative():
    cond, null, negative = torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1)
    assert dual(cond, null, negative, 7.5, 15.0).item() == -15


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (2, 16, 64)])
def test_only_the_images_with_a_negative_are_pushed(shape):
    guided, null, negative = predictions(shape=shape)
    found = away(guided, null, negative, 5.0, torch.tensor([False, True]))
    assert torch.equal(found[0], guided[0])
    assert torch.equal(found[1], away(guided, null, negative, 5.0)[1])
    assert not torch.equal(found[1], guided[1])
