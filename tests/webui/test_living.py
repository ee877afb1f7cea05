"""The extension among what else goes on in a WebUI: other generations, other models, errors, interruptions."""

import threading
import time

import pytest

from .server import Refused
from .test_api import CASES, apart, picture, settled

TERM = {"enabled": True, "replay": ["0:+big dog"]}


@pytest.fixture(scope="module")
def before(server):
    return server.draw().pixels


def probing(server, ours, wanted, **changes):
    return server.draw(ours=ours, alwayson_scripts={"Probe": {"args": [wanted]}}, **changes)


def test_off_costs_less_than_fifty_microseconds_a_step(server):
    seconds = min(server.call("/probe/seconds") for _ in range(3))
    print(f"{1e6 * seconds:.2f} microseconds")
    assert seconds < 50e-6


def test_an_error_in_mid_sampling_leaves_nothing_behind(server, before):
    ours = {"enabled": True, "oracle": "miniature", "questions": ["auto"]}
    with pytest.raises(Refused):
        probing(server, ours, {"fail_at": 3})
    assert settled(server, before)
    assert server.guided().timelines != ["none"]


def test_a_generation_within_a_generation_is_not_ours(server, before):
    ours = {"enabled": True, "oracle": "miniature", "questions": ["auto"]}
    outer = server.draw(ours=ours, seed=4)
    plain, copied = (probing(server, ours, {"inner": inner}, seed=4) for inner in ("plain", "with our attributes"))
    assert plain.pixels == copied.pixels != outer.pixels
    assert plain.timelines == copied.timelines == outer.timelines and plain.note is copied.note is None
    assert settled(server, before)


def test_a_generation_within_may_be_guided_for_itself(server, before):
    ours = {"enabled": True, "oracle": "miniature", "questions": ["auto"]}
    within = probing(server, ours, {"inner": "guided"}, seed=4, batch_size=2)
    assert within.timelines == server.draw(ours=ours, seed=4, batch_size=2).timelines and within.note is None
    assert settled(server, before)


@pytest.mark.parametrize("push", ["cfg", "separate", "vsf", "nag"])
@pytest.mark.parametrize("change", [{}, {"batch_size": 2}, {"negative_prompt": "many words, " * 40, "prompt": "a pet, " * 40}])
def test_the_marks_of_controlnet_are_kept(server, before, change, push):
    if server.forge:
        pytest.skip("Forge has a ControlNet of its own, without marks")
    ours = {"enabled": True, "oracle": "miniature", "questions": ["auto"], "push": push}
    plain, guided = server.draw(**change), server.draw(ours=ours, **change)
    assert probing(server, None, {"marked": True}, **change).pixels == plain.pixels
    marked = probing(server, ours, {"marked": True}, **change)
    assert marked.pixels == guided.pixels and marked.timelines == guided.timelines and marked.note is None
    assert settled(server, before)


@pytest.mark.parametrize("command", ["interrupt", "skip"])
def test_interrupt_and_skip_end_the_picture_and_leave_nothing(server, before, command):
    said = {}
    steps = 150
    drawing = threading.Thread(target=lambda: said.update(drawn=server.guided(changes={"steps": steps}, every=10)))
    drawing.start()
    time.sleep(1.5)
    began = time.monotonic()
    server.call(f"/sdapi/v1/{command}", {})
    drawing.join(60)
    assert time.monotonic() - began < 10 and len(said["drawn"].images) == 1
    assert settled(server, before)


def test_each_picture_of_an_img2img_batch_has_its_own_terms(server, before):
    change = {"init_images": [picture(server)], "denoising_strength": 0.75, "batch_size": 2, "n_iter": 2, "steps": 8}
    server.draw("img2img", **change)  # the host encodes with whatever random numbers the last generation left
    guided = server.guided("img2img", change, every=2)
    assert len(guided.timelines) == 4 and guided.note is None
    assert server.guided("img2img", change, replay=guided.timelines).pixels == guided.pixels
    assert settled(server, before)


def test_a_refiner_encodes_our_terms_with_its_own_words(server, refiner):
    plain = server.draw()
    change = {"refiner_checkpoint": refiner, "refiner_switch_at": 0.5, "steps": 8}
    static = server.draw(negative_prompt="big dog", **change)
    assert static.pixels != server.draw(negative_prompt="big dog", steps=8).pixels
    assert server.draw(ours=TERM, **change).pixels == static.pixels
    guided = server.guided(changes=change)
    again = server.guided(changes=change, replay=guided.timelines)
    assert guided.note is None and again.pixels == guided.pixels
    assert apart(server.draw(), plain) <= 1  # a reloaded SDXL model rounds differently, also without us


def test_a_checkpoint_of_its_own_for_the_hires_pass(server, refiner):
    plain = server.draw()
    change = CASES["hires"] | {"hr_checkpoint_name": refiner}
    static = server.draw(negative_prompt="big dog", **change)
    ours = TERM | {"replay": ["0:+big dog / 0:+big dog"]}
    assert server.draw(ours=ours, **change).pixels == static.pixels
    guided = server.guided(changes=change)
    assert guided.note is None and server.guided(changes=change, replay=guided.timelines).pixels == guided.pixels
    assert apart(server.draw(), plain) <= 1
