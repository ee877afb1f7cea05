"""What the record says acted, reached the model; what could not is refused before it draws, or is a failure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pipelines import OWN, Denoised, Eye, flux, sd, sd3, sdxl, unet

from lib_vlmneg.errors import InputError
from lib_vlmneg.guidance.safree import Filter
from lib_vlmneg.guide import Guide
from lib_vlmneg.hosts.diffusers import Request, draw, encode
from lib_vlmneg.hosts.diffusers.families import FAMILIES
from lib_vlmneg.record import Timeline
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings

STEPS = 4
DOG, CAT = Timeline({0: ("dog",)}), Timeline({0: ("cat",)})
LONG = ", ".join(["red background, lowres, house, tree, flat picture"] * 8)  # of some 160 tokens


def asked(**given):
    defaults = {"negative_prompt": OWN, "steps": STEPS, "height": 16, "width": 16, "guidance_scale": 6.0}
    return Request("a photo of a pet", **{**defaults, **given})


def settings(push="cfg", **given):
    return Settings(enabled=True, steps=(), push=push, **given)


def pixels(drawn):
    return [np.asarray(image, int) for image in drawn[0]]


def apart(one, other):
    return max(np.abs(a - b).max() for a, b in zip(pixels(one), pixels(other), strict=True))


@pytest.mark.parametrize("build", [sd, sdxl])
@pytest.mark.parametrize("push", ["cfg", "separate", "vsf"])
def test_terms_behind_a_long_negative_prompt_act(build, push):
    """CLIP reads 77 tokens at once; a longer text is read in chunks, as WebUIs do."""
    pipe = build()
    assert len(pipe.tokenizer(LONG).input_ids) > 150
    drawn = [draw(pipe, asked(negative_prompt=LONG), settings(push), timelines=[each]) for each in (DOG, CAT)]
    assert apart(*drawn) > 0 and all(record.failure is None and record.reached == [STEPS] for _, record in drawn)


def test_a_long_text_is_what_its_chunks_are_one_behind_the_other():
    pipe = sd()
    with Denoised(pipe) as denoised:
        draw(pipe, asked(negative_prompt=LONG), settings(), timelines=[DOG])
    read = [row for call in denoised.calls for row in call["encoder_hidden_states"]]
    chunks = encode.pieces(f"{LONG}, dog", lambda text: len(pipe.tokenizer(text).input_ids) - 2, 75)
    expected = torch.cat([pipe.encode_prompt([chunk], "cpu", 1, False)[0] for chunk in chunks], 1)
    assert len(chunks) == 3 and any(torch.equal(row, expected[0]) for row in read if row.shape == expected[0].shape)


def test_where_no_more_is_read_the_term_is_refused_with_a_note():
    pipe = sd3()
    eye = Eye()
    negative = " ".join(["house"] * 300)
    _, record = draw(pipe, asked(negative_prompt=negative), settings(), eye)
    assert record.timelines[0].compact() == "" and record.events[0].refused == ("dog",)
    assert record.note.startswith("the negative prompt leaves no room for dog")


def test_the_most_tokens_count_where_no_clip_reads_the_prompt():
    _, record = draw(flux(), asked(), settings(max_tokens=2), Eye())
    assert record.timelines[0].compact() == "" and record.events[0].refused == ("dog",)


def test_a_u_net_that_is_told_the_scale_has_no_uncond_and_is_refused_before_it_draws():
    pipe = sd()
    pipe.register_modules(unet=unet(cross_attention_dim=16, time_cond_proj_dim=32))
    with pytest.raises(
        InputError, match=r"^push: StableDiffusionPipeline evaluates no negative prompt with this model; choose"
    ):
        draw(pipe, asked(guidance_scale=8.0), settings(), timelines=[DOG])
    both = [draw(pipe, asked(guidance_scale=8.0), settings("separate"), timelines=[each]) for each in (DOG, CAT)]
    assert apart(*both) > 0 and both[0][1].reached == [STEPS]


def test_a_pipeline_that_is_not_known_is_refused_by_name_and_drawn_plain():
    from diffusers import StableDiffusionPAGPipeline

    pipe = StableDiffusionPAGPipeline(**sd().components, requires_safety_checker=False, pag_applied_layers="mid")
    pipe.set_progress_bar_config(disable=True)
    with pytest.raises(InputError, match=r"^model: StableDiffusionPAGPipeline is not among the pipelines that can be steered"):
        draw(pipe, asked(), settings(), timelines=[DOG])
    assert draw(pipe, asked(), Settings())[1].failure is None


def test_an_encoder_that_fails_leaves_no_term_in_the_record_and_a_replay_draws_the_same(monkeypatch):
    pipe, original, tried = sd(), encode.Encoder.one, []

    def fails(self, prompt, **changed):
        tried.append(prompt)
        if len(tried) == 2:
            raise RuntimeError("no memory")
        return original(self, prompt, **changed)

    monkeypatch.setattr(encode.Encoder, "one", fails)
    says = Eye(lambda picture, ask, row: ("dog", "cat", "house")[ask])
    drawn = draw(pipe, asked(), settings(), says)
    monkeypatch.undo()
    assert tried == [f"{OWN}, dog", f"{OWN}, dog, cat"] and "no memory" in drawn[1].failure
    assert drawn[1].timelines[0].compact() == "1:+dog|2:-dog"
    assert apart(drawn, draw(pipe, asked(), settings(), timelines=drawn[1].timelines)) == 0


def test_terms_that_reached_no_row_are_a_failure_and_not_in_the_timeline():
    guide = Guide(settings(), Clock(STEPS, STEPS), ["a pet"] * 2, [""] * 2, timelines=[DOG, CAT])
    for call in range(STEPS):
        guide.reached(call, [1] if call == 0 else [])
    guide.ended("nobody reads them")
    assert guide.record.failure == "step 3: the terms of picture 1 reached no row of the model: nobody reads them"
    assert [timeline.compact() for timeline in guide.record.timelines] == ["", "0:+cat"]


def test_a_push_of_no_strength_is_no_failure():
    guide = Guide(settings("separate", push_scale=0.0), Clock(STEPS, STEPS), ["a pet"], [""], timelines=[DOG])
    guide.reached(STEPS - 1, [])
    guide.ended()
    assert guide.record.failure is None and guide.record.timelines[0].compact() == "0:+dog"


def test_terms_of_steps_that_were_never_drawn_are_no_failure():
    """The user has stopped the picture before."""
    guide = Guide(settings(), Clock(STEPS, STEPS), ["a pet"], [""], timelines=[Timeline({2: ("dog",)})])
    guide.reached(1, [])
    guide.ended()
    assert guide.record.failure is None and guide.record.timelines[0].compact() == "2:+dog"


def test_the_timelines_that_are_given_stay_as_they_are():
    given = Timeline({0: ("dog",)})
    guide = Guide(settings(), Clock(STEPS, STEPS), ["a pet"], [""], timelines=[given])
    guide.withdrawn(0)
    assert guide.record.timelines[0].compact() == "" and given.compact() == "0:+dog"


@pytest.mark.parametrize("push", ["cfg", "separate", "vsf", "nag"])
def test_safree_goes_with_every_push_in_every_step(push):
    """Whose a row is comes from the pipeline, not from what it reads: when SAFREE stops filtering, the push goes on."""
    pipe = sd()
    scale = 1.0 if push in ("vsf", "nag") else 6.0
    filtered = asked(safree=Filter(("dagger", "warrior"), most=0.5, t_0=0.0), guidance_scale=scale)
    both, alone, push_alone = (
        draw(pipe, filtered, settings(push), timelines=[DOG]),
        draw(pipe, filtered, Settings()),
        draw(pipe, replace(filtered, safree=None), settings(push), timelines=[DOG]),
    )
    assert both[1].failure is None and both[1].reached == [STEPS]
    assert apart(both, alone) > 0 and apart(both, push_alone) > 0


def test_a_scheduler_step_that_the_user_wrapped_stays_wrapped():
    pipe = sd()
    plain, steps = pipe.scheduler.step, []

    def mine(*args, **kwargs):
        steps.append(1)
        return plain(*args, **kwargs)

    pipe.scheduler.step = mine
    draw(pipe, asked(), settings(), timelines=[DOG])
    assert pipe.scheduler.step is mine and len(steps) == STEPS


def test_brackets_reach_no_model_that_does_not_read_them():
    with pytest.raises(InputError, match=r"^weight: 1.5 is emphasis, which diffusers does not read; leave it at 1$"):
        draw(sd(), asked(), settings(weight=1.5), timelines=[DOG])


@pytest.mark.parametrize("negative", ["", OWN])
def test_a_plain_sdxl_picture_is_diffusers_own(negative):
    pipe = sdxl()
    own = pipe(
        "a photo of a pet",
        negative_prompt=negative or None,
        num_inference_steps=STEPS,
        guidance_scale=6.0,
        height=16,
        width=16,
        generator=torch.Generator().manual_seed(0),
    ).images[0]
    assert np.array_equal(np.asarray(own), np.asarray(draw(pipe, asked(negative_prompt=negative), Settings())[0][0]))


@pytest.mark.parametrize(("batch", "calls"), [("one", 2), ("auto", 2), ("each", 3)])
def test_at_cfg_1_what_separate_evaluates_beside_is_one_call_or_one_each(batch, calls):
    pipe = sd()
    with Denoised(pipe) as denoised:
        drawn = draw(pipe, asked(guidance_scale=1.0), settings("separate", push_batch=batch), timelines=[DOG])
    assert len(denoised.calls) == calls * STEPS and drawn[1].extra_calls == 2 * STEPS
    assert apart(drawn, draw(pipe, asked(guidance_scale=1.0), settings("separate", push_batch="each"), timelines=[DOG])) <= 1


def test_every_family_names_its_pipelines():
    import diffusers

    if diffusers.__version__ < "0.42":  # which Python 3.10 has: some families came later
        pytest.skip("an older diffusers")
    assert all(hasattr(diffusers, name) for family in FAMILIES.values() for name in family.pipelines)
