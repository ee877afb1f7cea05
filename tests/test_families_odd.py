"""What only some families of diffusers do: a second denoiser, no negative prompt, frames, a word's worth of room."""

import copy
import inspect

import families
import numpy as np
import pytest
import torch
from pipelines import OWN

from lib_vlmneg.errors import InputError
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.hosts.diffusers.decoders import decoders
from lib_vlmneg.hosts.diffusers.encode import room
from lib_vlmneg.hosts.diffusers.families import family_of
from lib_vlmneg.push.separate import Separate
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

DOG = Timeline({0: ("dog",)})


def drawn(pipe, name, push="", negative=OWN, g=4.0, more=None, **given):
    height, width = families.SIZES[name]
    on = Settings(enabled=True, steps=(), push=push, **given) if push else Settings()
    request = Request("a photo of a pet", negative, steps=4, guidance_scale=g, height=height, width=width)
    images, record = draw(pipe, request, on, timelines=[DOG] if push else (), more=more)
    assert record.failure is None
    return np.asarray(images[0], int)


@pytest.mark.parametrize("push", ["cfg", "separate", "vsf", "nag", "nasa"])
def test_a_second_denoiser_is_pushed_as_the_first(push):
    """Two of Wan's that are one and the same draw what one draws."""
    one, two = families.FAMILIES["wan"](), families.FAMILIES["wan22"]()
    two.transformer_2 = copy.deepcopy(two.transformer)
    assert np.array_equal(drawn(one, "wan", push), drawn(two, "wan22", push))
    assert not np.array_equal(drawn(one, "wan", push), drawn(one, "wan"))


def test_a_second_denoiser_has_a_pull_of_its_own(monkeypatch):
    pulls, answers = [], Separate.answers

    def spied(self, call):
        pulls.append(call.pull)
        return (yield from answers(self, call))

    monkeypatch.setattr(Separate, "answers", spied)
    drawn(families.FAMILIES["wan22"](), "wan22", "separate", more={"guidance_scale_2": 2.5})
    assert pulls == [3.0, 3.0] + [1.5] * 6


def test_a_negative_prompt_acts_also_where_the_pipeline_takes_none():
    pipe = families.FAMILIES["klein"]()
    embeds, _ = pipe.encode_prompt([OWN])
    given = drawn(pipe, "klein", negative="", more={"negative_prompt_embeds": embeds})
    assert np.array_equal(drawn(pipe, "klein"), given)
    assert not np.array_equal(drawn(pipe, "klein", negative=""), given)


def test_a_distilled_model_has_no_uncond_and_a_push_of_its_own():
    pipe = families.FAMILIES["klein"]()
    pipe.register_to_config(is_distilled=True)
    with pytest.raises(InputError, match=r"^push: Flux2KleinPipeline evaluates no negative prompt with this model; "):
        drawn(pipe, "klein", "cfg")
    assert not np.array_equal(drawn(pipe, "klein", "separate", push_scale=20.0), drawn(pipe, "klein"))


@pytest.mark.parametrize("name", ["hunyuanimage", "hunyuanvideo15"])
def test_a_guider_has_the_scale_for_the_run(name):
    pipe = families.FAMILIES[name]()
    own = pipe.guider.guidance_scale
    assert not np.array_equal(drawn(pipe, name, g=2.0), drawn(pipe, name, g=6.0))
    assert np.array_equal(drawn(pipe, name, g=1.0), drawn(pipe, name, g=1.0, negative="blue hat"))
    assert pipe.guider.guidance_scale == own


def test_what_is_withdrawn_in_mid_run_leaves_the_picture_of_qwen_image_21():
    """Its pipeline would go on with keys and values that were never kept."""
    pipe = families.FAMILIES["qwenimage21"]()
    plain, encode = drawn(pipe, "qwenimage21"), pipe.encode_prompt

    def failing(*args, **kwargs):
        if "owl" in str(args) + str(kwargs):
            raise RuntimeError("no more")
        return encode(*args, **kwargs)

    failing.__signature__ = inspect.signature(encode)
    pipe.encode_prompt = failing
    request = Request("a photo of a pet", OWN, steps=4, guidance_scale=4.0, height=16, width=16)
    on = Settings(enabled=True, steps=(), push="cfg")
    images, record = draw(pipe, request, on, timelines=[Timeline({0: ("dog",), 2: ("owl",)})])
    assert "no more" in record.failure and not np.array_equal(np.asarray(images[0], int), plain)


def test_the_room_of_lumina_next_is_as_long_as_its_prompt():
    pipe = families.FAMILIES["lumina_next"]()
    found = [room(pipe, family_of(pipe), prompt=" ".join(["pet"] * words)).chunk for words in (3, 7, 8, 400)]
    assert found == [7, 7, 15, 255]  # a multiple of 8 with one token before the words


@pytest.mark.parametrize(("name", "frames"), [("ltx", 17), ("hunyuanvideo", 9), ("kandinsky5_video", 9), ("wan22", 9)])
def test_of_a_video_the_middle_frame_is_given_and_shown(name, frames):
    pipe = families.FAMILIES[name]()
    seen = []
    height, width = families.SIZES[name]
    request = Request("a photo of a pet", OWN, steps=2, guidance_scale=4.0, height=height, width=width)
    save = {"save_x0": lambda call, t, new: seen.extend(new)}
    images, _ = draw(pipe, request, Settings(), more={"num_frames": frames}, **save)
    assert images[0].size == seen[0].size == (width, height) and len(seen) == 2
    generator = [torch.Generator().manual_seed(0)]
    given = {"height": height, "width": width, "num_frames": frames, "num_inference_steps": 2, "generator": generator}
    scale = "true_cfg_scale" if name == "hunyuanvideo" else "guidance_scale"
    made = pipe("a photo of a pet", negative_prompt=OWN, output_type="pil", **given | {scale: 4.0}).frames[0]
    assert len(made) == frames and np.array_equal(np.asarray(images[0]), np.asarray(made[frames // 2]))


def test_an_autoencoder_that_is_told_how_much_noise_there_is_decodes():
    from diffusers import AutoencoderKLLTXVideo

    pipe = families.FAMILIES["ltx"]()
    torch.manual_seed(0)
    pipe.vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False,) * 4,
        upsample_residual=(True,) * 3,
        upsample_factor=(2,) * 3,
        timestep_conditioning=True,
    ).eval()
    assert decoders(pipe, None)["full"](torch.randn(1, 8, 2, 2))[0].size == (64, 64)
