"""Pushes inside attention in a genuine host: against plain pictures, their model calls counted."""

import time

import pytest

from lib_vlmneg.settings import INSIDE

from .server import Refused
from .test_api import CASES, apart, settled

AT_1 = {"cfg_scale": 1, "negative_prompt": "dog"}
KINDS = ["batch", "long negative", "emphasis", "editing in the negative", "and in a batch", "hires", "unbatched", "variation"]
RESTORED = {"batch_cond_uncond": True}


@pytest.fixture(scope="module")
def before(server):
    return server.draw().pixels


def ours(push="vsf", questions=(), **given):
    return {
        "enabled": True,
        "push": push,
        "push_scale": 2.0,
        "questions": list(questions),
        "oracle": "miniature",
        "steps": [],
        **given,
    }


def counted(server, *given, **changes):
    drawn = server.draw(*given, **changes, alwayson_scripts={"Probe": {"args": [{"count": True}]}})
    return drawn, drawn.parameters["Probe rows"]


@pytest.mark.parametrize("push", INSIDE)
def test_at_cfg_1_a_static_negative_pushes_in_the_calls_that_the_host_makes(server, before, push):
    """Forge leaves the uncond out: one row a step. AUTOMATIC1111 evaluates it all the same: its own number of calls."""
    plain, expected = counted(server, **AT_1)
    drawn, rows = counted(server, "txt2img", ours(push), **AT_1)
    assert drawn.note is None and apart(drawn, plain) > 2
    assert rows == expected and (rows == [1] * 6 or not server.forge)
    assert drawn.parameters["VLM Negative push"] == push and drawn.timelines == ["none"]
    assert server.draw(ours=ours(push), **AT_1).pixels == drawn.pixels
    assert settled(server, before)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_request_is_pushed(server, before, name):
    change = AT_1 | CASES[name]
    plain, drawn = server.draw(**change), server.draw(ours=ours(), **change)
    assert drawn.note is None and apart(drawn, plain) > 2
    server.draw(override_settings=RESTORED, override_settings_restore_afterwards=False)
    assert settled(server, before)


@pytest.mark.parametrize("steps", [1, 2])
def test_it_works_at_few_steps(server, steps):
    change = AT_1 | {"steps": steps, "sampler_name": "Euler"}
    drawn = server.draw(ours=ours(), **change)
    assert drawn.note is None and apart(drawn, server.draw(**change)) > 2


def test_at_one_step_nothing_is_asked_and_that_is_said(server):
    change = AT_1 | {"steps": 1, "sampler_name": "Euler"}
    drawn = server.draw(ours=ours(questions=["auto"]), **change)
    assert drawn.note == "nothing is asked: in a run of this length (1) no answer could still act"
    assert drawn.pixels == server.draw(ours=ours(), **change).pixels


def test_above_cfg_1_it_acts_beside_cfg_unless_that_is_not_wanted(server, before):
    plain, drawn = (server.draw(ours=given, negative_prompt="dog") for given in (None, ours()))
    assert drawn.note is None and apart(drawn, plain) > 2
    refused = server.draw(ours=ours(push_only_at_cfg_1=True), negative_prompt="dog")
    assert refused.pixels == plain.pixels
    assert refused.note == "step 0: push_only_at_cfg_1: the CFG scale is 4.5, so that vsf does not push; give 1"
    assert settled(server, before)


def test_each_picture_of_a_batch_is_pushed_away_from_its_own(server):
    change = {"cfg_scale": 1, "batch_size": 2}
    plain, drawn = server.draw(**change), server.draw(ours=ours(replay=["0:+big dog", "none"]), **change)
    difference = [max(abs(a - b) for a, b in zip(*pair)) for pair in zip(plain.pixels, drawn.pixels)]
    assert drawn.note is None and difference[0] > 2 and difference[1] <= 2


def test_the_oracle_is_asked_at_cfg_1_and_its_answers_are_replayed(server, before):
    given = ours(questions=["auto"])
    drawn, rows = counted(server, "txt2img", given, **AT_1)
    assert drawn.note is None and drawn.timelines != ["none"]
    assert rows == counted(server, **AT_1)[1]
    assert drawn.pixels != server.draw(ours=ours(), **AT_1).pixels
    assert server.draw(ours=given | {"replay": drawn.timelines}, **AT_1).pixels == drawn.pixels
    assert settled(server, before)


@pytest.mark.parametrize("method", ["MultiDiffusion", "Mixture of Diffusers"])
@pytest.mark.parametrize("at_once", [1, 4])
def test_in_forge_tiles_are_pushed_in_batches(server, method, at_once):
    if not server.forge:
        pytest.skip("AUTOMATIC1111 has no MultiDiffusion of its own")
    tiled = {"MultiDiffusion Integrated": {"args": [True, method, 64, 64, 16, at_once]}}
    change = AT_1 | {"width": 128, "height": 96, "batch_size": 2}
    given = ours(replay=["0:+big dog", "none"])
    plain, drawn = (server.draw(ours=each, alwayson_scripts=tiled, **change) for each in (None, given))
    unlike = server.draw(ours=given, **change)
    assert drawn.note is None and apart(drawn, plain) > 2 and drawn.pixels != unlike.pixels


def test_in_forge_a_look_brings_no_model_into_memory_anew(server):
    if not server.forge:
        pytest.skip("AUTOMATIC1111 does not move models so")
    given = ours(questions=["auto"])
    server.draw(ours=given, **AT_1)
    loaded = server.log.count("Moving model(s) has taken")
    began = time.monotonic()
    assert server.draw(ours=given, **AT_1).note is None
    print(f"{time.monotonic() - began:.2f} s")
    assert server.log.count("Moving model(s) has taken") == loaded


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"push_blocks": "up.99"}, "step 0: push_blocks: 'up.99' does not exist; there are "),
        ({"push_scale": "hard"}, "push_scale: 'hard' is not a number; write one in digits, or auto"),
    ],
)
def test_what_cannot_be_is_said_and_the_plain_picture_comes(server, before, given, said):
    drawn = server.draw(ours=ours() | given, **AT_1)
    assert drawn.note.startswith(said) and drawn.pixels == server.draw(**AT_1).pixels
    assert settled(server, before)


def test_a_setting_that_does_not_fit_the_model_is_ignored_and_said(server, before):
    drawn = server.draw(ours=ours(push_pooled=2.0), **AT_1)
    assert drawn.note.startswith("push_pooled: 2 is for Flux, not sd") and drawn.note.endswith("; it is ignored")
    assert drawn.pixels == server.draw(ours=ours(), **AT_1).pixels
    assert settled(server, before)


def test_a_model_that_breaks_down_leaves_nothing_behind(server, before):
    """Where the push is around the whole call, that is made once more without it; else the host ends the generation."""
    try:
        drawn = server.draw(ours=ours(), **AT_1, alwayson_scripts={"Probe": {"args": [{"breaks_at": 2}]}})
    except Refused as error:
        assert "no room" in str(error)
    else:
        assert drawn.note == "step 2: RuntimeError: no room"
    assert settled(server, before)
    assert server.draw(**AT_1).pixels == server.draw(ours={"enabled": False}, **AT_1).pixels
