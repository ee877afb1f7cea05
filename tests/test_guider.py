"""The guider in diffusers' modular pipelines, against the pipelines that it is to be like."""

import json

import numpy as np
import pytest
import torch
from pipelines import OWN, sd3, sdxl

from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

guiders = pytest.importorskip("diffusers.guiders")
modular = pytest.importorskip("diffusers.modular_pipelines")
from lib_vlmneg.hosts.diffusers.guider import SeparateNegativeGuidance  # noqa: E402


@torch.no_grad()
def encode(pipe, texts):
    """What a pipeline's encode_prompt makes of texts."""
    more = {"prompt_3": None} if "3" in type(pipe).__name__ else {}
    found = pipe.encode_prompt(texts, prompt_2=None, device="cpu", do_classifier_free_guidance=False, **more)
    return [tensor for tensor in found if tensor is not None]


PROMPT, STEPS, SCALE = "a photo of a pet", 4, 4.5
BLOCKS = {"sdxl": (sdxl, "StableDiffusionXLAutoBlocks"), "sd3": (sd3, "StableDiffusion3AutoBlocks")}


@pytest.fixture(scope="module", params=BLOCKS)
def both(request):
    """A standard pipeline and the modular one with the same weights."""
    build, blocks = BLOCKS[request.param]
    standard = build()
    pipe = getattr(modular, blocks)().init_pipeline()
    pipe.update_components(**{name: part for name, part in standard.components.items() if name in pipe.component_names})
    pipe.set_progress_bar_config(disable=True)
    return standard, pipe


def drawn(pipe, guider, images=1):
    pipe.update_components(guider=guider)
    generator = [torch.Generator().manual_seed(seed) for seed in range(images)]
    texts = {"prompt": [PROMPT] * images, "negative_prompt": [OWN] * images}
    found = pipe(**texts, generator=generator, num_inference_steps=STEPS, height=16, width=16, output="images")
    return np.stack([np.asarray(image, int) for image in found])


def standard_drawn(standard, timelines=(), w=0.0, images=1):
    request = Request(PROMPT, OWN, steps=STEPS, height=16, width=16, guidance_scale=SCALE, batch=images)
    settings = Settings(enabled=bool(timelines), push="separate", push_scale=w)
    pictures, record = draw(standard, request, settings, timelines=timelines)
    assert record.failure is None
    return np.stack([np.asarray(image, int) for image in pictures])


def test_without_a_negative_it_is_classifier_free_guidance(both):
    _, pipe = both
    plain = drawn(pipe, guiders.ClassifierFreeGuidance(guidance_scale=SCALE))
    assert np.array_equal(drawn(pipe, SeparateNegativeGuidance(SCALE, 10.0)), plain)


@pytest.mark.parametrize("images", [1, 2])
def test_with_one_it_draws_what_the_standard_pipeline_does(both, images):
    standard, pipe = both
    guider = SeparateNegativeGuidance(SCALE, 10.0)
    guider.negative = encode(standard, ["dog"])
    found = drawn(pipe, guider, images)
    expected = standard_drawn(standard, [Timeline({0: ("dog",)})] * images, 10.0, images)
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found - standard_drawn(standard, images=images)).max() > 1


def test_it_may_come_and_go_between_steps_and_only_then_costs_a_call(both):
    standard, pipe = both
    dog, counted = encode(standard, ["dog"]), []

    class Watched(SeparateNegativeGuidance):
        def set_state(self, step, num_inference_steps, timestep):
            super().set_state(step, num_inference_steps, timestep)
            self.negative = dog if step in (1, 2) else None
            counted.append(self.num_conditions)

    found = drawn(pipe, Watched(SCALE, 10.0))
    assert counted == [2, 3, 3, 2]
    assert np.abs(found - standard_drawn(standard, [Timeline({1: ("dog",), 3: ()})], 10.0)).max() <= 1


def test_it_guides_only_between_start_and_stop(both):
    _, pipe = both
    early = {"start": 0.0, "stop": 0.5}
    plain = drawn(pipe, guiders.ClassifierFreeGuidance(guidance_scale=SCALE, **early))
    assert np.array_equal(drawn(pipe, SeparateNegativeGuidance(SCALE, 10.0, **early)), plain)


def test_its_configuration_is_saved_and_read(tmp_path):
    SeparateNegativeGuidance(5.0, 15.0, stop=0.5).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "guider_config.json").read_text())["negative_scale"] == 15.0
    read = SeparateNegativeGuidance.from_pretrained(tmp_path)
    assert (read.guidance_scale, read.negative_scale, read._stop, read.negative) == (5.0, 15.0, 0.5, None)


def test_without_a_null_it_says_so():
    guider = SeparateNegativeGuidance(1.0, 5.0)
    guider.negative = [torch.zeros(1, 3, 8)]
    with pytest.raises(ValueError, match="no null to measure the negative from"):
        guider.prepare_inputs({"encoder_hidden_states": torch.zeros(1, 3, 8)})
