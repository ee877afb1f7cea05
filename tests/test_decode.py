import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.decode import ORDER, Decoder, choose, linear, to_images
from lib_vlmneg.errors import InputError


def offered(**scales):
    return {name: Decoder(name, scale, lambda x0: x0) for name, scale in scales.items()}


ALL = offered(full=8, tiny=8, approximate=4, linear=1)


@pytest.mark.parametrize(
    ("latent", "wanted_pixels", "name"),
    [
        (64, 64, "linear"),
        (64, 65, "approximate"),
        (64, 256, "approximate"),
        (64, 384, "tiny"),
        (64, 512, "tiny"),
        (16, 384, "tiny"),
    ],
)
def test_auto_takes_the_cheapest_that_is_large_enough(latent, wanted_pixels, name):
    assert choose(ALL, "auto", latent, wanted_pixels).name == name


@given(st.dictionaries(st.sampled_from(ORDER), st.integers(1, 16), min_size=1), st.integers(1, 128), st.integers(1, 1024))
def test_auto_is_large_enough_or_as_large_as_there_is_and_none_cheaper_is(scales, latent, wanted_pixels):
    sizes = {name: scale * latent for name, scale in scales.items()}
    needed = min(wanted_pixels, max(sizes.values()))
    chosen = choose(offered(**scales), "auto", latent, wanted_pixels).name
    assert sizes[chosen] >= needed
    assert all(sizes[name] < needed for name in ORDER[: ORDER.index(chosen)] if name in sizes)


def test_a_decoder_chosen_by_name_is_taken_whatever_its_size():
    assert [choose(ALL, name, 64, 384).name for name in ORDER] == list(ORDER)


def test_a_decoder_that_the_model_has_not_is_bad_input_that_names_the_others():
    with pytest.raises(InputError, match=r"^decode: 'tiny' .*auto or full, linear$"):
        choose(offered(full=8, linear=1), "tiny", 64, 384)


def test_linear_is_a_weighted_sum_of_the_channels():
    factors, bias = [[0.1, 0.2, 0.3], [-0.4, 0.5, 0.6]], [0.05, 0.0, -0.05]
    x0 = torch.arange(2 * 2 * 3 * 5, dtype=torch.float32).reshape(2, 2, 3, 5) / 60
    expected = torch.einsum("bchw,ck->bkhw", x0, torch.tensor(factors)) + torch.tensor(bias)[:, None, None]
    decoder = linear(factors, bias)
    assert torch.allclose(decoder.run(x0), expected, atol=1e-6)
    assert (decoder.name, decoder.scale) == ("linear", 1)
    assert decoder.run(x0.half()).dtype == torch.float32


def test_pictures_are_rgb_one_a_row_with_black_at_minus_one_and_white_at_one():
    pictures = torch.tensor([-1.0, 1.0, 0.0, 5.0, -5.0])[:, None, None, None].expand(5, 3, 4, 6)
    images = to_images(pictures)
    assert [(image.mode, image.size) for image in images] == [("RGB", (6, 4))] * 5
    assert [image.getpixel((0, 0)) for image in images] == [(v, v, v) for v in (0, 255, 128, 255, 0)]


def test_a_picture_keeps_its_channels_and_its_orientation():
    picture = torch.full((1, 3, 2, 4), -1.0)
    picture[0, 0, 0, 3] = 1  # red, top right
    assert to_images(picture.bfloat16())[0].getpixel((3, 0)) == (255, 0, 0)


def test_a_decoder_gives_one_picture_for_each_row():
    assert len(linear([[1.0, 0, 0]] * 4)(torch.zeros(3, 4, 8, 8, requires_grad=True))) == 3
