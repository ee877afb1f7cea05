"""A push with a scale of its own, in a genuine host: against plain pictures, and against CFG with the same negative."""

import json

import pytest
from PIL import Image

from .server import as_text
from .test_api import CASES, ODD, SECOND_ORDER, STEP_SAMPLERS, apart, settled

CFG = 4.5
WEIGHTS = {"and": 2.0, "and in a batch": 1.7}  # what the weights of the parts add up to, which multiplies the scale
RESTORED = {"skip_early_cond": 0.0, "s_min_uncond": 0.0, "s_min_uncond_all": False, "pad_cond_uncond": False,
            "pad_cond_uncond_v0": False, "batch_cond_uncond": True}  # fmt: skip
UNLIKE = {  # where the host treats a negative prompt unlike the third branch
    "pad v0": "pads or cuts the uncond",
    "pad": "pads the cond or the uncond",
    "cfg 0": "a scale of 0 less 1",
    "cfg 1": "see below",
    "skip early": "its first calls use no uncond",
    "ngms": "some calls use no uncond",
    "ngms, all steps": "some calls use no uncond",
}


@pytest.fixture(scope="module")
def before(server):
    return server.draw().pixels


@pytest.fixture(scope="module")
def records(server, tmp_path_factory):
    """Draws, and gives what the records of the drawing say."""
    folder = tmp_path_factory.mktemp("records")
    server.call("/sdapi/v1/options", {"vlm_negative_folder": str(folder)})

    def draw(*given, **named):
        for path in folder.iterdir():
            path.unlink()
        drawn = pushed(server, *given, **named)
        return drawn, [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    yield draw
    server.call("/sdapi/v1/options", {"vlm_negative_folder": ""})


def pushed(server, w, to="txt2img", terms="0:+big dog", **changes):
    timeline = f"{terms} / {terms}" if changes.get("enable_hr") else terms
    ours = {"enabled": True, "push": "separate", "push_scale": w, "replay": [timeline]}
    return server.draw(to, ours, **changes)


def restored(server):
    server.draw(override_settings=RESTORED, override_settings_restore_afterwards=False)


@pytest.mark.parametrize("name", CASES)
def test_without_weight_the_pixels_are_the_plain_ones(server, before, name):
    plain, drawn = server.draw(**CASES[name]), pushed(server, 0, **CASES[name])
    assert drawn.pixels == plain.pixels and drawn.note is None
    restored(server)
    assert settled(server, before)


@pytest.mark.parametrize("sampler", [*STEP_SAMPLERS, *SECOND_ORDER, *sorted(set(ODD) - {"DDIM CFG++"})])
def test_at_one_less_than_the_scale_it_is_cfg_with_the_terms(server, before, sampler):
    """DDIM CFG++ goes on from the uncond itself, which is another here."""
    change = {"sampler_name": sampler, "cfg_scale": CFG}
    drawn = pushed(server, CFG - 1, **change, negative_prompt="blurry")
    assert drawn.note is None
    assert apart(drawn, server.draw(**change, negative_prompt="big dog")) <= 2
    assert apart(drawn, server.draw(**change, negative_prompt="blurry")) > 20
    assert settled(server, before)


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNLIKE])
def test_that_holds_for_every_kind_of_request(server, before, name):
    change = CASES[name] | {"cfg_scale": CFG}
    drawn = pushed(server, WEIGHTS.get(name, 1.0) * CFG - 1, **change)
    static = server.draw(**change | {"negative_prompt": "big dog"} | ({"hr_negative_prompt": ""} if "hires" in name else {}))
    assert drawn.note is None and apart(drawn, static) <= 2
    restored(server)
    assert settled(server, before)


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DDIM"])
@pytest.mark.parametrize("masked", [False, True])
def test_that_holds_for_img2img_and_inpainting(server, before, sampler, masked):
    start = as_text(server.draw().images[0])
    change = {"init_images": [start], "denoising_strength": 0.7, "sampler_name": sampler, "steps": 8, "cfg_scale": CFG}
    if masked:
        mask = Image.new("L", (128, 128))
        mask.paste(255, (32, 32, 96, 96))
        change |= {"mask": as_text(mask), "inpainting_fill": 1}
    server.draw("img2img", **change)  # the host encodes the picture with the random numbers that the last generation left
    drawn = pushed(server, CFG - 1, "img2img", **change)
    assert drawn.note is None
    assert apart(drawn, server.draw("img2img", **change, negative_prompt="big dog")) <= 2
    assert settled(server, before)


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM"])
def test_at_scale_1_it_pushes_all_the_same(server, before, sampler):
    """With the prompt itself as the null, c - w (n - c) is CFG with the scale w + 1 and n as its negative."""
    change = {"sampler_name": sampler, "prompt": "a photo of a pet"}
    drawn = pushed(server, 2.0, **change, cfg_scale=1, negative_prompt="a photo of a pet")
    assert drawn.note is None
    assert apart(drawn, server.draw(**change, cfg_scale=3, negative_prompt="big dog")) <= 2
    assert settled(server, before)


@pytest.mark.parametrize("name", ["plain", "skip early", "ngms, all steps", "cfg 1", "hires", "unbatched"])
def test_the_calls_of_the_model_are_counted(server, before, records, name):
    drawn, found = records(10.0, terms="2:+big dog", **CASES[name])
    extra = [record["extra_calls"] for record in found]
    least = {"plain": [4], "unbatched": [4], "hires": [4, 4]}.get(name)
    if least:
        assert extra == least
    else:
        assert 4 < extra[0] <= 8 or (name == "cfg 1" and not server.forge and extra == [4])
    assert drawn.note is None and drawn.pixels != server.draw(**CASES[name]).pixels
    restored(server)
    assert settled(server, before)


def test_each_picture_of_a_batch_is_pushed_by_its_own_terms(server):
    ours = {"enabled": True, "push": "separate", "replay": ["0:+big dog", "none"]}
    plain, drawn = server.draw(batch_size=2), server.draw(ours=ours, batch_size=2)
    assert drawn.pixels[1] == plain.pixels[1] and drawn.pixels[0] != plain.pixels[0]


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DDIM", "UniPC"])
def test_the_oracle_is_asked_and_its_answers_are_replayed(server, before, sampler):
    change = {"sampler_name": sampler, "batch_size": 2, "steps": 12}
    ours = {"push": "separate", "push_scale": 5.0, "mode": "replace", "steps": [5, 10, 20, 30, 40], "steps_of": 50}
    guided = server.guided(changes=change, **ours)
    assert guided.note is None and guided.timelines != ["none", "none"]
    assert guided.parameters["VLM Negative push"] == "separate" and guided.parameters["VLM Negative steps of"] == "50"
    assert server.guided(changes=change, **ours | {"replay": guided.timelines}).pixels == guided.pixels
    assert settled(server, before)


def test_found_nothing_switches_it_off_until_the_next_ask(server, records):
    drawn, (record,) = records(7.5, terms="1:+big dog|3:-big dog|5:+cat", steps=8)
    assert record["extra_calls"] == 2 + 3 and drawn.timelines[0].startswith("1:+big dog|3:-big dog|5:+cat")


def test_what_fails_in_it_is_said_and_plain_cfg_goes_on(server, before):
    """The probe has the model raise in every call of a single image, which the third branch is."""
    ours = {"enabled": True, "push": "separate", "replay": ["0:+big dog"]}
    drawn = server.draw(ours=ours, alwayson_scripts={"Probe": {"args": [{"alone": "fails"}]}})
    assert drawn.pixels == before and "no room" in drawn.note
    assert settled(server, before)
