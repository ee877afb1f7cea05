"""Pushes inside attention in whole runs with diffusers: one model call a step, static and with an oracle, replayed, refused."""

from dataclasses import replace

import numpy as np
import pytest
from pipelines import OWN, Blind, Denoised, Eye, flux, sd, sd3

from lib_vlmneg.errors import InputError
from lib_vlmneg.hosts.diffusers import Request, draw, evaluation, families
from lib_vlmneg.record import Record, Timeline
from lib_vlmneg.settings import INSIDE, Settings

STEPS = 4
OFF = Settings()


def asked(**given):
    defaults = {"negative_prompt": OWN, "steps": STEPS, "height": 16, "width": 16, "guidance_scale": 1.0}
    return Request("a photo of a pet", **{**defaults, **given})


def settings(push="vsf", questions=(), **given):
    return Settings(enabled=True, steps=(), push=push, questions=questions, **given)


def asking(**given):
    return settings(questions=("auto",), **given)


def same(one, other):
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(one[0], other[0], strict=True))


def plain(pipe, **given):
    return draw(pipe, asked(**given), OFF)


@pytest.mark.parametrize("push", INSIDE)
@pytest.mark.parametrize("cfg", [0.0, 1.0])
def test_a_static_negative_pushes_without_an_oracle_in_one_model_call_a_step(pipe, push, cfg):
    without = plain(pipe, guidance_scale=cfg)
    with Denoised(pipe) as denoised:
        pushed = draw(pipe, asked(guidance_scale=cfg), settings(push, push_scale=2.0))
    assert pushed[1].failure is None and not pushed[1].note and pushed[1].extra_calls == 0
    assert len(denoised.calls) == STEPS
    assert all(len(call["encoder_hidden_states"]) == 1 for call in denoised.calls)
    assert not same(pushed, without) and same(without, plain(pipe, guidance_scale=cfg))


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_it_works_at_few_steps(pipe, steps):
    pushed = draw(pipe, asked(steps=steps), settings(push_scale=2.0))
    assert pushed[1].failure is None and not same(pushed, plain(pipe, steps=steps))


def test_what_the_oracle_finds_joins_the_own_negative_from_the_next_step_on(pipe):
    with Denoised(pipe) as static:
        draw(pipe, asked(), settings())
    with Denoised(pipe) as denoised:
        pictures, record = draw(pipe, asked(), asking(), Eye())
    assert record.timelines[0].compact() == "1:+dog" and record.failure is None
    assert record.events[0].negative == f"{OWN}, dog"
    lengths = [[call["encoder_hidden_states"].shape[1] for call in run.calls] for run in (static, denoised)]
    assert lengths[1][0] == lengths[0][0]
    assert all(now > before for before, now in zip(lengths[0][1:], lengths[1][1:], strict=True))
    read = Record.from_json(record.to_json())
    again = draw(pipe, asked(), Settings.from_dict(read.settings), timelines=read.timelines)
    assert same((pictures, record), again)


def test_each_image_of_a_batch_is_pushed_away_from_its_own(pipe):
    batch = draw(pipe, asked(batch=2), settings(), timelines=[Timeline(), Timeline({0: ("dog",)})])
    assert batch[1].failure is None
    alone = draw(pipe, asked(), settings())
    difference = np.abs(np.asarray(batch[0][0], int) - np.asarray(alone[0][0], int)).max()
    assert difference <= 1  # kernels round otherwise for two rows than for one


def test_above_cfg_1_it_acts_beside_cfg_unless_that_is_not_wanted(pipe):
    cfg, pushed = (draw(pipe, asked(guidance_scale=4.5), chosen) for chosen in (OFF, settings(push_scale=2.0)))
    assert pushed[1].failure is None and not same(cfg, pushed)
    refused = draw(pipe, asked(guidance_scale=4.5), settings(push_only_at_cfg_1=True))
    assert same(cfg, refused)
    assert refused[1].failure == "step 0: push_only_at_cfg_1: the CFG scale is 4.5, so that vsf does not push; give 1"
    assert draw(pipe, asked(), settings(push_only_at_cfg_1=True))[1].failure is None


def test_what_is_auto_is_what_suits_the_model(pipe):
    scale = {"StableDiffusion3Pipeline": 2.4, "FluxPipeline": 2.5}.get(type(pipe).__name__, 0.5)
    auto = draw(pipe, asked(), settings())
    assert same(auto, draw(pipe, asked(), settings(push_scale=scale, push_offset=0.1)))
    assert not same(auto, draw(pipe, asked(), settings(push_scale=scale + 2)))
    assert not same(auto, draw(pipe, asked(), settings(push_offset=3.0)))


def test_the_public_codes_numbers():
    pipe = sd3()
    compat = draw(pipe, asked(), settings(push_compat=True))
    assert compat[1].failure is None
    assert same(compat, draw(pipe, asked(), settings(push_compat=True, push_scale=3.5, push_offset=0.1)))
    assert not same(compat, draw(pipe, asked(), settings(push_scale=3.5, push_offset=0.1)))


def test_nags_own_numbers(painter):
    given = {"push": "nag", "push_scale": 8.0, "push_tau": 1.0}
    assert same(draw(painter, asked(), settings(**given, push_alpha=0.0)), plain(painter))
    assert not same(draw(painter, asked(), settings(**given, push_alpha=1.0)), plain(painter))


def test_start_and_end_are_shares_of_the_run(painter):
    late = draw(painter, asked(), settings(push_start=0.5))
    assert not same(late, plain(painter)) and not same(late, draw(painter, asked(), settings()))
    assert same(plain(painter, steps=2), draw(painter, asked(steps=2), settings(push_start=0.6)))


def test_blocks_that_the_model_has_not_are_said_and_the_plain_picture_comes(painter):
    pushed = draw(painter, asked(), settings(push_blocks="up.9"))
    said = "push_blocks: 'up.9' does not exist; there are down.0, mid.0, up.0-1, or say all"
    assert pushed[1].failure == f"step 0: {said}" and same(pushed, plain(painter))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"push_compat": True}, "push_compat: the public code's way is for vsf on SD3, not vsf on sd15; it is ignored"),
        ({"push_pooled": 2.0}, "push_pooled: 2 is for Flux, not sd15; it is ignored"),
    ],
)
def test_a_setting_that_does_not_fit_the_model_is_ignored_and_said(painter, given, said):
    pushed = draw(painter, asked(), settings(**given))
    assert pushed[1].note == said and pushed[1].failure is None
    assert same(pushed, draw(painter, asked(), settings())) and not same(pushed, plain(painter))


def test_another_architecture_is_refused_by_name_before_it_draws(painter, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", {"SD": replace(families.FAMILIES["SD1.5 and SD2"], attention=None)})
    with pytest.raises(InputError, match=r"^push: StableDiffusionPipeline cannot be pushed inside its attention; choose cfg"):
        draw(painter, asked(), settings())


def test_attention_of_another_kind_is_said_and_leaves_the_plain_picture():
    from diffusers.models.attention_processor import AttnProcessor

    pipe = sd()
    pipe.unet.set_attn_processor(AttnProcessor())
    without = plain(pipe)
    pushed = draw(pipe, asked(), settings())
    assert pushed[1].failure.startswith("step 0: attention: down.0 does not use torch's scaled_dot_product_attention")
    assert same(pushed, without)


def test_a_push_that_fails_halfway_leaves_the_rest_plain_and_nothing_behind(pipe, monkeypatch):
    without, original, calls = plain(pipe), evaluation.appended, []

    def fails(*given):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no room")
        return original(*given)

    monkeypatch.setattr(evaluation, "appended", fails)
    pushed = draw(pipe, asked(), settings())
    assert pushed[1].failure == "step 0: RuntimeError: no room" and len(calls) == 1
    assert same(pushed, without)


def test_nothing_is_left_on_the_pipeline(pipe):
    denoiser = getattr(pipe, "unet", None) or pipe.transformer

    def stop(*_):
        raise KeyboardInterrupt

    draw(pipe, asked(), asking(), Eye())
    with pytest.raises(KeyboardInterrupt):
        draw(pipe, asked(), settings(), save_x0=stop)
    assert "step" not in vars(pipe.scheduler) and not denoiser._forward_pre_hooks and not denoiser._forward_hooks
    assert not any("forward" in vars(module) for module in denoiser.modules())


def test_at_one_step_nothing_is_asked_and_that_is_said(painter):
    eye = Eye()
    pushed = draw(painter, asked(steps=1), asking(), eye)
    assert eye.asks == 0 and pushed[1].failure is None
    assert pushed[1].note == "nothing is asked: in a run of this length (1) no answer could still act"
    assert same(pushed, draw(painter, asked(steps=1), settings()))
    assert Record.from_json(pushed[1].to_json()).note == pushed[1].note


def test_with_nothing_to_push_away_from_that_is_said(painter):
    pushed = draw(painter, asked(negative_prompt=""), settings())
    assert pushed[1].note == "vsf has nothing to push away from; give a negative prompt, or a question"
    assert same(pushed, plain(painter, negative_prompt=""))


def test_an_oracle_that_fails_does_not_end_the_push(painter):
    pushed = draw(painter, asked(), asking(), Blind())
    assert pushed[1].failure.endswith("no eyes") and same(pushed, draw(painter, asked(), settings()))


def test_off_is_plain_whatever_the_push(painter):
    assert same(plain(painter), draw(painter, asked(), replace(settings(), enabled=False)))


def test_a_shorter_t5_serves_every_push():
    """What is encoded for the terms must be as long as what the pipeline encodes."""
    pipe = flux()
    for chosen, cfg in ((settings(), 1.0), (asking(push="cfg"), 4.5), (asking(push="separate"), 4.5)):
        request = asked(max_sequence_length=16, guidance_scale=cfg)
        with Denoised(pipe) as denoised:
            record = draw(pipe, request, chosen, timelines=[Timeline({1: ("dog",)})])[1]
        assert record.failure is None
        texts = [call["encoder_hidden_states"].shape[1] for call in denoised.calls]
        assert all(length == 16 for length in texts) if chosen.push != "vsf" else all(16 < length < 26 for length in texts)
    with pytest.raises(InputError, match=r"^max_sequence_length: StableDiffusionPipeline has none; leave it out$"):
        plain(sd(), max_sequence_length=16)
