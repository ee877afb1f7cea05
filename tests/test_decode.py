import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_vlmneg.decode import LEAST, ORDER, Decoder, choose, linear, shrunk, small_side, to_images
from lib_vlmneg.errors import InputError


def offered(**scales):
    return {name: Decoder(name, scale, lambda x0: x0) for name, scale in scales.items()}


ALL = offered(full=8, small=8, tiny=8, approximate=4, linear=1)


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


@given(
    st.dictionaries(st.sampled_from([name for name in ORDER if name != "full"]), st.integers(1, 16), min_size=1),
    st.integers(1, 128),
    st.integers(1, 1024),
)
def test_auto_is_large_enough_or_as_large_as_there_is_and_none_cheaper_is(scales, latent, wanted_pixels):
    sizes = {name: scale * latent for name, scale in scales.items()}
    needed = min(wanted_pixels, max(sizes.values()))
    chosen = choose(offered(full=32, **scales), "auto", latent, wanted_pixels).name
    assert sizes[chosen] >= needed
    assert all(sizes[name] < needed for name in ORDER[: ORDER.index(chosen)] if name in sizes)


@pytest.mark.parametrize("latent", [4, 16, 64, 128])
@pytest.mark.parametrize("side", [32, 128, 384, 448, 5000])
def test_auto_is_never_the_full_decode_and_small_where_nothing_cheaper_is_large_enough(latent, side):
    found = choose(offered(full=8, small=8, approximate=2, linear=1), "auto", latent, side)
    assert found.name == ("linear" if side <= latent else "approximate" if side <= 2 * latent else "small")


def test_a_decoder_chosen_by_name_is_taken_whatever_its_size():
    assert [choose(ALL, name, 64, 384).name for name in ORDER] == list(ORDER)


def test_a_decoder_that_the_model_has_not_is_bad_input_that_names_the_others():
    with pytest.raises(InputError, match=r"^decode: 'tiny' .*auto or full, linear$"):
        choose(offered(full=8, linear=1), "tiny", 64, 384)


@pytest.mark.parametrize("wanted", ["auto", "small"])
def test_what_small_decodes_is_shrunk_to_its_share_of_what_the_oracle_could_see(wanted):
    found = choose(offered(full=8, small=8), wanted, 64, 384)
    assert found.run(torch.zeros(2, 4, 64, 96)).shape == (2, 4, 36, 54)
    assert choose(offered(full=8, small=8), "full", 64, 384).run(torch.zeros(2, 4, 64, 96)).shape == (2, 4, 64, 96)


@pytest.mark.parametrize(
    ("latent", "input_side", "scale", "side"),
    [(64, 384, 8, 36), (128, 384, 8, 36), (64, 1000, 8, 48), (16, 128, 8, 12), (16, 384, 8, 12), (64, 350, 8, 33),
     (64, 8, 8, 4), (3, 384, 8, 3)],
)  # fmt: skip
def test_small_is_three_quarters_of_what_the_oracle_could_see_of_the_picture(latent, input_side, scale, side):
    assert small_side(latent, input_side, scale) == side


@given(st.integers(1, 256), st.integers(1, 2048), st.sampled_from([2, 4, 8, 16, 32]))
def test_a_small_side_is_neither_larger_than_the_latents_nor_useless(latent, side, scale):
    small = small_side(latent, side, scale)
    assert min(LEAST, latent) <= small <= latent
    assert small <= max(LEAST, side // scale + 1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_shrunken_latents_keep_their_shape_of_picture_and_are_never_enlarged(height, width, side):
    found = shrunk(torch.zeros(1, 4, height, width), side)
    assert min(found.shape[-2:]) == min(side, height, width)
    assert max(found.shape[-2:]) == round(max(height, width) * min(side, height, width) / min(height, width))


def test_latents_that_are_small_enough_are_left_and_so_are_those_of_a_video():
    small, video, sequence = torch.randn(1, 4, 8, 12), torch.randn(1, 4, 3, 32, 32), torch.randn(1, 64, 32)
    assert all(shrunk(given, 8) is given for given in (small, video, sequence))


def test_shrinking_takes_every_latent_into_account_and_each_picture_alone():
    flat = torch.arange(4.0)[:, None, None, None].expand(4, 2, 12, 12)
    assert torch.allclose(shrunk(flat, 5), torch.arange(4.0)[:, None, None, None].expand(4, 2, 5, 5), atol=1e-5)
    x0 = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    together = shrunk(x0, 12)
    assert torch.allclose(together, torch.cat([shrunk(row[None], 12) for row in x0]), atol=1e-6)
    dotted = torch.zeros(1, 1, 16, 16)
    for row in range(16):
        moved = dotted.clone()
        moved[0, 0, row, 7] = 1
        assert shrunk(moved, 5).abs().sum() > 0.01


def test_latents_in_half_precision_are_shrunk_in_float32():
    assert shrunk(torch.zeros(1, 4, 16, 16).half(), 8).dtype == torch.float32


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
