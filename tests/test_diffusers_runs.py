"""Whole runs with diffusers: off, failing, replayed, in a batch, with other samplers, and where it cannot work."""

from hashlib import sha256

import diffusers
import numpy as np
import pytest
import torch
from pipelines import KINDS, OWN, Blind, Denoised, Eye, flux

from lib_vlmneg.errors import InputError
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.miniature.models import SCHEDULE
from lib_vlmneg.record import Record
from lib_vlmneg.settings import Settings

OFF, ON = Settings(), Settings(enabled=True, steps=())
STEPS = 4
SAMPLERS = [
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
]


@pytest.fixture
def sampled(painter, request):
    """Stable Diffusion with another scheduler."""
    before = painter.scheduler
    painter.scheduler = getattr(diffusers, request.param)(**SCHEDULE)
    yield painter
    painter.scheduler = before


def asked(**given):
    return Request("a photo of a pet", **{"negative_prompt": OWN, "steps": STEPS, "height": 16, "width": 16, **given})


def pixels(images):
    """A digest of each picture, so that a failure is short."""
    return [sha256(image.tobytes()).hexdigest()[:12] for image in images]


def plain_call(pipe, images=1):
    """The pipeline as anyone would call it."""
    scale = "true_cfg_scale" if "Flux" in type(pipe).__name__ else "guidance_scale"
    generator = [torch.Generator().manual_seed(seed) for seed in range(images)]
    texts = {"prompt": ["a photo of a pet"] * images, "negative_prompt": [OWN] * images}
    return pipe(**texts, num_inference_steps=STEPS, height=16, width=16, generator=generator, **{scale: 4.5}).images


def by_brightness(picture, ask, row):
    """One of six answers, by how bright the picture is."""
    return KINDS[min(int(np.asarray(picture).mean() / 4), 63) % len(KINDS)]


def untouched(pipe):
    """Whether nothing of ours hangs on the pipeline."""
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    return "step" not in vars(pipe.scheduler) and not denoiser._forward_pre_hooks and not denoiser._forward_hooks


def test_off_is_the_plain_pipeline(pipe):
    drawn, record = draw(pipe, asked(batch=2), OFF)
    assert pixels(drawn) == pixels(plain_call(pipe, images=2))
    assert record.events == []


@pytest.mark.parametrize("sampled", SAMPLERS, indirect=True)
def test_off_is_the_plain_pipeline_with_every_sampler(sampled):
    assert pixels(draw(sampled, asked(), OFF)[0]) == pixels(plain_call(sampled))


def test_a_guided_picture_is_another(pipe):
    plain, guided = draw(pipe, asked(), OFF)[0], draw(pipe, asked(), ON, Eye())[0]
    assert pixels(plain) != pixels(guided)


def test_nothing_is_left_on_the_pipeline(pipe):
    before = plain_call(pipe)
    draw(pipe, asked(), ON, Eye())
    assert untouched(pipe)
    assert pixels(plain_call(pipe)) == pixels(before)


def test_nothing_is_left_after_an_exception(pipe):
    before = plain_call(pipe)

    def interrupt(step, timestep, pictures):
        assert not untouched(pipe)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(pipe, asked(), ON, Eye(), save_x0=interrupt)
    assert untouched(pipe)
    assert pixels(plain_call(pipe)) == pixels(before)


def test_an_oracle_that_always_fails_gives_the_unguided_picture(pipe):
    drawn, record = draw(pipe, asked(batch=2), ON, Blind())
    assert pixels(drawn) == pixels(draw(pipe, asked(batch=2), OFF)[0])
    assert record.failure == "step 0: RuntimeError: no eyes"


def test_an_oracle_that_fails_later_keeps_what_was_found(painter):
    def fails(picture, ask, row):
        if ask == 1:
            raise RuntimeError("gone")
        return "dog"

    eye = Eye(fails)
    drawn, record = draw(painter, asked(), ON, eye)
    assert pixels(drawn) == pixels(draw(painter, asked(), ON, Eye())[0])
    assert record.failure.startswith("step 1:")
    assert eye.asks == 2


def test_replay_is_bit_exact_and_asks_nobody(pipe):
    eye = Eye(lambda picture, ask, row: KINDS[ask + row])
    drawn, record = draw(pipe, asked(batch=2), Settings(enabled=True, steps=(), clear_at_stop=True, stop=3), eye)
    read = Record.from_json(record.to_json())
    again, replayed = draw(pipe, asked(batch=2), Settings.from_dict(read.settings), timelines=read.timelines)
    assert pixels(again) == pixels(drawn)
    assert pixels(again) != pixels(draw(pipe, asked(batch=2), OFF)[0])
    assert [timeline.compact() for timeline in replayed.timelines] == [
        "1:+dog|2:+cat|3:-dog,-cat",
        "1:+cat|2:+castle|3:-cat,-castle",
    ]


@pytest.mark.parametrize(
    ("sampled", "calls"), [("HeunDiscreteScheduler", 7), ("KDPM2DiscreteScheduler", 7)], indirect=["sampled"]
)
def test_a_second_order_sampler_asks_once_a_step(sampled, calls):
    eye = Eye()
    with Denoised(sampled) as denoised:
        _, record = draw(sampled, asked(), ON, eye)
    assert [event.step for event in record.events] == [0, 1, 2]
    assert len(eye.shown) == 3
    negatives = [negative for negative, _ in denoised.texts("encoder_hidden_states", 1)]
    same = [torch.equal(negative, negatives[0]) for negative in negatives]
    assert same == [True, True] + [False] * (calls - 2)


@pytest.mark.parametrize("sampled", SAMPLERS, indirect=True)
def test_every_sampler_is_guided_and_replayed(sampled):
    drawn, record = draw(sampled, asked(), ON, Eye())
    assert record.timelines[0].changes == {1: ("dog",)}
    assert pixels(drawn) != pixels(draw(sampled, asked(), OFF)[0])
    assert pixels(draw(sampled, asked(), ON, timelines=record.timelines)[0]) == pixels(drawn)


def test_a_batch_gives_each_image_what_it_would_get_alone(pipe):
    many, record = draw(pipe, asked(seed=5, batch=3), ON, Eye(by_brightness))
    found = [timeline.compact() for timeline in record.timelines]
    assert len(set(found)) > 1
    for index in range(3):
        (alone,), single = draw(pipe, asked(seed=5 + index), ON, Eye(by_brightness))
        assert single.timelines[0].compact() == found[index]
        assert np.abs(np.asarray(alone, int) - np.asarray(many[index], int)).max() <= 1


def test_the_record_says_what_was_drawn(painter):
    _, record = draw(painter, asked(seed=7, guidance_scale=3.0, batch=2), ON, Eye())
    said = record.generation
    assert (said["seed"], said["steps"], said["guidance_scale"], said["height"], said["batch"]) == (7, STEPS, 3.0, 16, 2)
    assert said["seconds"] > 0
    assert record.oracle == "scripted"
    assert [(event.step, event.image) for event in record.events] == [(step, image) for step in range(3) for image in range(2)]
    assert all(timing.decode > 0 for timing in record.timings if timing.step < 3)
    assert sum(timing.encode for timing in record.timings) > 0


def test_x0_is_saved_at_every_call_also_without_a_guide(painter):
    saved = []
    draw(painter, asked(batch=2), OFF, save_x0=lambda *given: saved.append(given))
    assert [step for step, _, _ in saved] == list(range(STEPS))
    assert [timestep for _, timestep, _ in saved] == painter.scheduler.timesteps.tolist()
    assert all(len(pictures) == 2 and pictures[0].size == (16, 16) for _, _, pictures in saved)


def test_the_last_x0_is_the_finished_picture(pipe):
    saved = []
    (drawn,), _ = draw(pipe, asked(), OFF, save_x0=lambda step, timestep, pictures: saved.append(pictures[0]))
    assert np.abs(np.asarray(drawn, int) - np.asarray(saved[-1], int)).max() <= 1


def refused(pipe, *, settings=ON, eye=None, **given):
    """The message of the InputError, which is one line."""
    with pytest.raises(InputError) as error:
        draw(pipe, asked(**given), settings, eye)
    assert "\n" not in str(error.value)
    assert untouched(pipe)
    return str(error.value)


def test_without_guidance_nothing_can_be_steered(painter):
    assert refused(painter, eye=Eye(), guidance_scale=1.0).startswith("guidance_scale: ")
    assert draw(painter, asked(guidance_scale=1.0), OFF)[0]


def test_a_pipeline_without_a_negative_prompt_is_refused(painter):
    parts = {name: part for name, part in painter.components.items() if name != "image_encoder"}
    parts["scheduler"] = diffusers.LCMScheduler(**SCHEDULE)
    lcm = diffusers.LatentConsistencyModelPipeline(**parts, requires_safety_checker=False)
    lcm.set_progress_bar_config(disable=True)
    assert refused(lcm, eye=Eye()).startswith(
        "model: LatentConsistencyModelPipeline is not among the pipelines that can be steered"
    )


def test_a_decoder_that_the_model_has_not_is_refused(painter):
    assert refused(painter, settings=Settings(enabled=True, steps=(), decode="tiny"), eye=Eye()).startswith("decode: 'tiny'")


@pytest.mark.parametrize(("field", "value"), [("height", 15), ("width", 17), ("height", 0), ("width", -16)])
def test_a_broken_size_is_refused_with_one_that_works(pipe, field, value):
    assert refused(pipe, **{field: value}).startswith(f"{field}: {value} is not a positive multiple of ")


def test_only_a_distilled_model_takes_distilled_guidance(painter):
    assert refused(painter, distilled_guidance=2.0).startswith("distilled_guidance: ")
    flow = flux()
    pictures = [pixels(draw(flow, asked(distilled_guidance=strength), OFF)[0]) for strength in (1.0, 9.0)]
    assert pictures[0] != pictures[1]
