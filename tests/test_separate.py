"""A separate push in whole runs with diffusers: its formula, its calls, and what it leaves alone."""

from contextlib import contextmanager

import diffusers
import numpy as np
import pytest
import torch
from pipelines import OWN, Blind, Denoised, Eye

from lib_vlmneg.guidance.dual import dual
from lib_vlmneg.hosts.diffusers import Request, draw, encode
from lib_vlmneg.hosts.diffusers.families import unet
from lib_vlmneg.miniature.models import SCHEDULE
from lib_vlmneg.record import Record, Timeline
from lib_vlmneg.settings import Settings

PROMPT, STEPS, SCALE = "a photo of a pet", 4, 4.5
DOG = Timeline({0: ("dog",)})


def asked(**given):
    defaults = {"negative_prompt": OWN, "steps": STEPS, "height": 16, "width": 16, "guidance_scale": SCALE}
    return Request(PROMPT, **{**defaults, **given})


def settings(w=10.0, **given):
    return Settings(enabled=True, push="separate", push_scale=w, **{"steps": (), **given})


def pixels(drawn):
    return [np.asarray(image, int) for image in drawn[0]]


def same(one, other):
    return all(np.array_equal(*pair) for pair in zip(pixels(one), pixels(other), strict=True))


def apart(one, other):
    return max(np.abs(a - b).max() for a, b in zip(pixels(one), pixels(other), strict=True))


@contextmanager
def spied(pipe):
    """The denoiser's predictions, and what the scheduler is given, call by call."""
    predicted, given, scheduler_class = [], [], type(pipe.scheduler)
    original = scheduler_class.step
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    forward = denoiser.forward

    def call(*args, **kwargs):
        output = forward(*args, **kwargs)
        predicted.append(output[0].clone())
        return output

    def step(self, model_output, *args, **kwargs):
        given.append(model_output.clone())
        return original(self, model_output, *args, **kwargs)

    scheduler_class.step, denoiser.forward = step, call
    try:
        yield predicted, given
    finally:
        scheduler_class.step = original
        del denoiser.forward


def branches(predicted, step):
    """Prompt, null and negative of one step in which all three were evaluated: of two calls or of three."""
    if len(predicted) == 2 * STEPS:
        stacked, negative = predicted[2 * step : 2 * step + 2]
        null, cond = stacked.chunk(2)
        return cond, null, negative
    return predicted[3 * step : 3 * step + 3]


def test_the_scheduler_is_given_the_formula(pipe):
    with spied(pipe) as (predicted, given):
        _, record = draw(pipe, asked(batch=2), settings(w=10.0), timelines=[DOG, Timeline({0: ("cat",)})])
    assert record.failure is None and record.extra_calls == STEPS == len(given)
    for step, found in enumerate(given):
        torch.testing.assert_close(found, dual(*branches(predicted, step), SCALE, 10.0))
        assert not torch.allclose(found, dual(*branches(predicted, step), SCALE, 0.0))


def test_without_weight_it_is_plain_cfg_bit_for_bit_and_costs_no_call(pipe):
    plain, pushed = draw(pipe, asked(batch=2), Settings()), draw(pipe, asked(batch=2), settings(w=0), timelines=[DOG, DOG])
    assert same(plain, pushed)
    assert pushed[1].extra_calls == 0 and pushed[1].failure is None


def test_at_one_less_than_the_scale_it_is_cfg_with_the_terms_as_negative_prompt(pipe):
    pushed = draw(pipe, asked(), settings(w=SCALE - 1), timelines=[DOG])
    assert pushed[1].failure is None
    assert apart(pushed, draw(pipe, asked(negative_prompt="dog"), Settings())) <= 1
    assert apart(pushed, draw(pipe, asked(), Settings())) > 1


@pytest.mark.parametrize(
    "name",
    [
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerAncestralDiscreteScheduler",
        "HeunDiscreteScheduler",
        "PNDMScheduler",
    ],
)
def test_that_holds_with_every_sampler(painter, name):
    before = painter.scheduler
    painter.scheduler = getattr(diffusers, name)(**SCHEDULE)
    pushed = draw(painter, asked(), settings(w=SCALE - 1), timelines=[DOG])
    assert apart(pushed, draw(painter, asked(negative_prompt="dog"), Settings())) <= 1
    painter.scheduler = before


def test_where_the_pipeline_asks_for_no_null_it_is_evaluated_too(pipe):
    """With the prompt as null, c - w (n - c) is CFG with the scale w + 1 and n as its negative."""
    request = {"guidance_scale": 1.0, "negative_prompt": PROMPT}
    pushed = draw(pipe, asked(**request), settings(w=2.0), timelines=[DOG])
    assert pushed[1].extra_calls == 2 * STEPS and pushed[1].failure is None
    assert apart(pushed, draw(pipe, asked(guidance_scale=3.0, negative_prompt="dog"), Settings())) <= 1


def test_the_third_branch_hears_the_terms_alone_and_the_others_what_they_heard(pipe):
    name = "encoder_hidden_states"
    with Denoised(pipe) as plain:
        draw(pipe, asked(), Settings())
    with Denoised(pipe) as pushed:
        draw(pipe, asked(), settings(), timelines=[DOG])
    with Denoised(pipe) as dog:
        draw(pipe, asked(negative_prompt="dog"), Settings())
    a_step = len(plain.calls) // STEPS
    third = pushed.calls[a_step][name]
    expected = dog.calls[a_step - 1][name][:1]
    assert torch.equal(third, expected) and len(pushed.calls) == (a_step + 1) * STEPS
    for step in range(STEPS):
        for number in range(a_step):
            before, now = plain.calls[step * a_step + number], pushed.calls[step * (a_step + 1) + number]
            assert torch.equal(before[name], now[name])


def test_it_is_evaluated_only_while_there_is_a_negative(pipe):
    says = Eye(lambda picture, ask, row: ("dog", "", "cat", "")[ask])
    pictures, record = draw(pipe, asked(steps=6), settings(mode="replace", steps=(0, 2, 4)), says)
    assert [timeline.compact() for timeline in record.timelines] == ["1:+dog|3:-dog|5:+cat"]
    assert record.extra_calls == 3 and record.failure is None  # steps 1 and 2, and 5
    assert [event.negative for event in record.events] == ["dog", "", "cat"]
    read = Record.from_json(record.to_json())
    assert read.extra_calls == 3
    again = draw(pipe, asked(steps=6), Settings.from_dict(read.settings), timelines=read.timelines)
    assert same((pictures, record), again) and again[1].extra_calls == 3


def test_an_image_without_a_negative_is_drawn_as_without_us_beside_one_with(pipe):
    plain = draw(pipe, asked(batch=2), Settings())
    pushed = draw(pipe, asked(batch=2), settings(), timelines=[Timeline(), DOG])
    assert np.array_equal(pixels(plain)[0], pixels(pushed)[0])
    assert not np.array_equal(pixels(plain)[1], pixels(pushed)[1])


def test_the_oracle_sees_what_plain_cfg_predicts(pipe):
    """As the paper has it: else what is pushed away is not seen, is let go, and comes back."""
    seen = {}
    for name, timelines in (("plain", [Timeline()]), ("pushed", [Timeline({1: ("dog",)})])):
        seen[name] = []
        draw(pipe, asked(), settings(), timelines=timelines, save_x0=lambda *shown, to=seen[name]: to.append(shown[2][0]))
    equal = [np.array_equal(*pair) for pair in zip(seen["plain"], seen["pushed"])]
    assert equal[:3] == [True, True, False]


def test_a_term_of_the_own_negative_prompt_is_still_pushed_away_from(painter):
    drawn = draw(painter, asked(negative_prompt="dog"), settings(), Eye())
    assert drawn[1].terms(0) == ("dog",)


def test_what_fails_in_it_is_said_once_and_leaves_the_plain_picture(pipe, monkeypatch):
    tried = []

    def fails(*_):
        tried.append(1)
        raise RuntimeError("no room")

    plain = draw(pipe, asked(), Settings())
    monkeypatch.setattr(encode.Encoder, "one", fails)
    pushed = draw(pipe, asked(), settings(), timelines=[DOG])
    assert same(plain, pushed) and len(tried) == 1
    assert pushed[1].failure == "step 0: RuntimeError: no room" and pushed[1].extra_calls == 0


def test_a_denoiser_that_fails_in_it_leaves_the_plain_picture(painter):
    forward = painter.unet.forward

    def crowded(sample, *args, **kwargs):
        if len(sample) == 1:
            raise torch.OutOfMemoryError("no memory")
        return forward(sample, *args, **kwargs)

    painter.unet.forward = crowded
    pushed = draw(painter, asked(), settings(), timelines=[DOG])
    del painter.unet.forward
    assert same(pushed, draw(painter, asked(), Settings()))
    assert "no memory" in pushed[1].failure


def test_an_oracle_that_fails_later_does_not_end_the_push(painter):
    drawn = draw(painter, asked(), settings(), Blind(), timelines=[Timeline({1: ("dog",)})])
    assert drawn[1].failure.startswith("step 0:") and drawn[1].extra_calls == STEPS - 1


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_a_pipelines_own_way_of_guiding_stays(painter, rescale):
    """With w = g - 1 and an empty null it is what the pipeline makes of the terms as the negative prompt, also rescaled."""
    kind = type("Rescaled", (type(painter),), {"guidance_rescale": rescale})
    other = kind(**painter.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    pushed = draw(other, asked(), settings(w=SCALE - 1), timelines=[DOG])
    assert pushed[1].failure is None and apart(pushed, draw(other, asked(negative_prompt="dog"), Settings())) <= 1


def test_rows_that_nobody_knows_are_not_guessed():
    with pytest.raises(RuntimeError, match=r"^the model is given 3 rows for 1 pictures, and which are whose is not known$"):
        unet.STABLE_DIFFUSION.rows(3, 1, 0, True)


def test_nothing_is_left_on_the_pipeline(pipe):
    draw(pipe, asked(), settings(), Eye())
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    assert "step" not in vars(pipe.scheduler) and not denoiser._forward_pre_hooks and not denoiser._forward_hooks
