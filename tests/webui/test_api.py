"""The extension in a genuine host, over its API."""

import pytest
from PIL import Image

from .server import Refused, as_text

STEP_SAMPLERS = ["Euler a", "Euler", "DPM++ 2M", "DPM++ 3M SDE", "LMS", "LCM"]
SECOND_ORDER = ["Heun", "DPM2", "DPM++ SDE", "DPM++ 2S a", "Restart"]
ODD = ["DPM fast", "DPM adaptive", "DDIM", "DDIM CFG++", "PLMS", "UniPC"]
LONG = "a very long text with many words, " * 12
CASES = {
    "plain": {},
    "batch": {"batch_size": 3},
    "count": {"n_iter": 2},
    "batch and count": {"batch_size": 2, "n_iter": 2},
    "one step": {"steps": 1},
    "long prompt": {"prompt": "a photo of a pet, " + LONG},
    "long negative": {"negative_prompt": LONG},
    "both long": {"prompt": "a photo of a pet, " + LONG, "negative_prompt": LONG},
    "break": {"prompt": "a photo of a pet BREAK on a blue background"},
    "and": {"prompt": "a photo of a pet AND a blue background"},
    "and in a batch": {"prompt": "a photo of a pet AND a blue background :0.7", "batch_size": 2},
    "emphasis": {"negative_prompt": "(blurry:1.4), [dull]", "batch_size": 2},
    "editing": {"prompt": "a photo of a pet on a [blue:pink:0.5] background"},
    "editing in the negative": {"negative_prompt": "[red:blue:0.5] background"},
    "editing, second order": {"negative_prompt": "[red:blue:0.5] background", "sampler_name": "Heun"},
    "hires": {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6},
    "hires, other sampler": {
        "enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.6, "hr_sampler_name": "DDIM",
        "hr_second_pass_steps": 4, "hr_negative_prompt": "dull",
    },
    "pad v0": {"prompt": "a photo of a pet, " + LONG, "override_settings": {"pad_cond_uncond_v0": True}},
    "pad": {"negative_prompt": LONG, "override_settings": {"pad_cond_uncond": True}},
    "unbatched": {"override_settings": {"batch_cond_uncond": False}},
    "cfg 1": {"cfg_scale": 1},
    "cfg 0": {"cfg_scale": 0},
    "skip early": {"override_settings": {"skip_early_cond": 0.5}},
    "ngms": {"s_min_uncond": 4.0, "override_settings": {"s_min_uncond": 4.0}},
    "ngms, all steps": {"s_min_uncond": 4.0, "override_settings": {"s_min_uncond": 4.0, "s_min_uncond_all": True}},
    "tiling": {"tiling": True},
    "variation": {"subseed": 5, "subseed_strength": 0.3, "batch_size": 2},
    "wide": {"width": 192, "height": 128},
}  # fmt: skip


@pytest.fixture(scope="module")
def before(server):
    """A plain picture, drawn before anything of ours."""
    return server.draw().pixels


def apart(one, other):
    """The largest difference between two pictures, of 255."""
    return max(abs(a - b) for left, right in zip(one.pixels, other.pixels) for a, b in zip(left, right))


def settled(server, before):
    """Whether the host draws as it did before, with the extension left out and switched off: nothing was left behind."""
    return server.draw().pixels == server.draw(ours={"enabled": False}).pixels == before


def test_off_gives_the_pixels_of_a_host_without_the_extension(server, without):
    for request, pixels in without:
        assert server.draw(**request).pixels == pixels
        off = server.draw(ours={"enabled": False, "questions": ["auto"]}, **request)
        assert off.pixels == pixels and not [key for key in off.parameters if "VLM" in key]


@pytest.mark.parametrize("sampler", [*STEP_SAMPLERS, *SECOND_ORDER, *ODD])
def test_every_sampler_hears_the_terms_and_replays_them(server, before, sampler):
    change = {"sampler_name": sampler}
    plain = server.draw(**change).pixels
    guided = server.guided(changes=change, topk=2)
    assert guided.note is None and guided.timelines != ["none"] and guided.pixels != plain
    steps = [int(part.split(":")[0]) for part in guided.timelines[0].split("|")]
    assert steps == sorted(steps) and steps[0] >= 1 and steps[-1] <= 5
    replayed = server.guided(changes=change, topk=2, oracle="nowhere", replay=guided.timelines)
    assert replayed.pixels == guided.pixels and replayed.timelines == guided.timelines
    assert settled(server, before)


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DDIM", "UniPC", "DPM++ 2M"])
@pytest.mark.parametrize("own", ["", "blurry, (dull:1.2)", "[red:blue:0.5] thing"])
def test_a_term_from_the_first_step_is_that_negative_prompt_to_the_pixel(server, sampler, own):
    static = server.draw(sampler_name=sampler, negative_prompt=f"{own}, big dog".removeprefix(", "))
    replayed = server.guided(changes={"sampler_name": sampler, "negative_prompt": own}, replay=["0:+big dog"])
    if own.startswith("["):  # the host encodes both forms in one batch, which rounds differently
        assert apart(replayed, static) <= 1
    else:
        assert replayed.pixels == static.pixels


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_request_is_drawn_guided_and_replayed(server, before, name):
    change = CASES[name]
    plain = server.draw(**change)
    guided = server.guided(changes=change)
    again = server.guided(changes=change, oracle="nowhere", replay=guided.timelines or [])
    assert [image.size for image in guided.images] == [image.size for image in plain.images]
    if name in ("cfg 0", "cfg 1"):
        does = {"cfg 0": "is what the picture is drawn towards", "cfg 1": "does nothing"}[name]
        assert guided.note == (
            f"the CFG scale is {name[-1]}, where a negative prompt {does}; set it above 1, or choose another push. "
            "The picture is drawn without it."
        )
        assert guided.pixels == plain.pixels and guided.timelines is None
    elif name == "one step":
        assert guided.note == "nothing is asked: in a run of this length (1) no answer could still act"
        assert guided.pixels == plain.pixels and guided.timelines == ["none"]
    else:
        assert guided.note is None and again.pixels == guided.pixels != plain.pixels
    server.draw(override_settings={"skip_early_cond": 0.0, "s_min_uncond": 0.0, "s_min_uncond_all": False,
                                   "pad_cond_uncond": False, "pad_cond_uncond_v0": False, "batch_cond_uncond": True},
                override_settings_restore_afterwards=False)  # fmt: skip
    assert settled(server, before)


def test_each_picture_of_a_batch_has_its_own_terms(server):
    many = server.guided(changes={"batch_size": 2, "n_iter": 2, "seed": 10}, every=2)
    alone = [server.guided(changes={"seed": 10 + index}, every=2) for index in range(4)]
    assert many.timelines == [each.timelines[0] for each in alone]
    assert [text.split('timeline: "')[1].split('"')[0] for text in many.info["infotexts"]] == many.timelines


@pytest.mark.parametrize(("passes", "parts"), [("both", (True, True)), ("first", (True, False)), ("hires", (False, True))])
def test_hires_guides_the_passes_that_are_wanted(server, passes, parts):
    guided = server.guided(changes=CASES["hires"], passes=passes)
    first, _, second = guided.timelines[0].partition("/")
    assert (bool(first.strip()), bool(second.strip())) == parts


def test_the_hires_pass_begins_with_what_the_first_found(server):
    first, second = (part.strip() for part in server.guided(changes=CASES["hires"]).timelines[0].split("/"))
    found = first.split("+")[1].split("|")[0].split(",")[0]
    assert second.startswith("0:+") and found in second
    alone = server.guided(changes=CASES["hires"], carry=False).timelines[0]
    assert "0:" not in alone


def test_img2img_of_a_guided_picture_begins_with_its_terms(server):
    guided = server.guided()
    change = {"init_images": [as_text(guided.images[0])], "denoising_strength": 0.7, "steps": 8}
    again = server.guided("img2img", change)
    found = guided.timelines[0].split("+")[1].split("|")[0].split(",")[0]
    assert again.timelines[0].startswith("0:+") and found in again.timelines[0]
    assert not server.guided("img2img", change, carry=False).timelines[0].startswith("0:")
    assert server.guided("img2img", change, replay=again.timelines).pixels == again.pixels


def test_a_script_that_composes_a_picture_writes_no_timeline(server):
    change = {"init_images": [picture(server)], "denoising_strength": 0.4, "script_name": "SD upscale",
              "script_args": ["", 64, "None", 2.0]}  # fmt: skip
    drawn = server.guided("img2img", change)
    assert drawn.note == "SD upscale makes one picture of several generations, which no timeline replays; none is written"
    assert drawn.timelines is None


def test_settings_without_enabled_are_off_and_said(server):
    drawn = server.draw(ours={"questions": ["auto"]})
    assert drawn.note == "enabled: it is not given, so nothing was asked; give enabled true"
    assert drawn.pixels == server.draw().pixels


def picture(server):
    return as_text(server.draw().images[0])


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DDIM"])
@pytest.mark.parametrize("masked", [False, True])
def test_img2img_and_inpainting(server, before, sampler, masked):
    change = {"init_images": [picture(server)], "denoising_strength": 0.7, "sampler_name": sampler, "steps": 8}
    if masked:
        mask = Image.new("L", (128, 128))
        mask.paste(255, (32, 32, 96, 96))
        change |= {"mask": as_text(mask), "inpainting_fill": 1}
    server.draw("img2img", **change)  # the host encodes the picture with the random numbers that the last generation left
    guided = server.guided("img2img", change)
    assert guided.note is None
    assert server.guided("img2img", change, oracle="nowhere", replay=guided.timelines).pixels == guided.pixels
    assert settled(server, before)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"enabled": True, "questins": ["x"]}, "'questins': there is no such setting"),
        ({"enabled": True, "every": 0}, "every: 0 is outside 1 to 1000"),
        ({"enabled": True, "start": 5, "stop": 2}, "start: 5 is not before stop 2"),
        ({"enabled": True, "questions": [" "]}, "questions: question 1 is empty"),
        ({"enabled": True, "oracle": "no/such-model"}, "'no/such-model' is not on this machine"),
        ({"enabled": True, "replay": ["1:dog"]}, "timeline: '1:dog' is not like 1:+dog"),
        ({"enabled": True, "oracle": "miniature", "decode": "tiny"}, "decode: 'tiny' is not to be had"),
        ({"enabled": "maybe"}, "enabled: 'maybe' is not true or false"),
        (
            {"enabled": True, "oracle": "miniature", "passes": "hires"},
            "passes: only the hires pass is to be guided, and there is none",
        ),
    ],
)
def test_what_is_wrong_is_said_and_the_picture_still_comes(server, before, ours, said):
    drawn = server.draw(ours=ours)
    assert said in drawn.note and drawn.pixels == before
    assert said in server.log and said.split(":")[0] in drawn.info["infotexts"][0]


def test_without_nudenet_the_picture_is_guided_and_not_checked(server):
    drawn = server.guided(check="nudenet")
    if "VLM Negative check" in drawn.parameters:
        pytest.skip("this host has nudenet")
    assert "check: nudenet is not to be had here" in drawn.note and "pip install nudenet" in drawn.note
    assert drawn.pixels == server.guided().pixels


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([0, 99], "steps: 99 is no step of a run of 6; leave it out, or say with steps_of what it is of"),
        ([5, 3], "steps: 5 is not before 3; write them in order"),
        (["4/3"], "steps: '4/3' is not a share from 0 to 1"),
        (["1/0"], "steps: '1/0' divides by 0"),
    ],
)
def test_steps_that_are_none_are_said_and_the_plain_picture_comes(server, before, steps, said):
    drawn = server.guided(steps=steps)
    assert said in drawn.note and drawn.pixels == before


@pytest.mark.parametrize(
    ("replay", "acts", "said"),
    [
        (["1:+dog", "2:+cat"], ["1:+dog"], "timeline: 2 are given for 1; what has no place here is left out"),
        (
            ["1:+dog / 0:+cat"],
            ["1:+dog"],
            "timeline: one has a part for a pass that is not there; what has no place here is left out",
        ),
        (["1:+dog|6:+cat"], ["1:+dog"], "timeline: step 6 is past the end of the run; what has no place here is left out"),
        (["6:+dog"], ["none"], "timeline: step 6 is past the end of the run; what has no place here is left out"),
    ],
)
def test_what_a_timeline_has_no_place_for_is_said_and_not_recorded(server, before, replay, acts, said):
    drawn = server.guided(replay=replay)
    assert (drawn.timelines, drawn.note) == (acts, said)
    assert (drawn.pixels == before) is (acts == ["none"])


@pytest.mark.parametrize("push", ["vsf", "nag", "nasa"])
def test_at_cfg_0_no_push_inside_attention_acts_and_the_note_says_so(server, push):
    drawn = server.guided(changes={"cfg_scale": 0}, push=push)
    assert drawn.timelines is None and drawn.note.startswith("the CFG scale is 0, where the prompt does not act")
    assert drawn.pixels == server.draw(cfg_scale=0).pixels


ASKING = {"enabled": True, "oracle": "miniature", "questions": ["auto"]}


def test_enabled_and_nothing_else_asks_twice(server):
    drawn, listed = server.draw(ours=ASKING), server.guided(steps=[0, 2])
    assert drawn.timelines == listed.timelines and drawn.pixels == listed.pixels
    assert drawn.parameters["VLM Negative steps"] == "0, 1/3"


def test_a_whole_stop_of_one_is_the_end_of_the_run(server):
    end, paper = server.guided(stop=1), server.draw(ours={"preset": "paper", **ASKING})
    assert end.timelines == paper.timelines == server.guided(stop=1.0).timelines
    assert "VLM Negative stop" not in end.parameters and end.parameters["VLM Negative steps"] == "[]"


def test_the_script_is_listed_under_its_name(server):
    assert "vlm negative" in server.call("/sdapi/v1/scripts")["txt2img"]


def test_an_error_in_sampling_leaves_nothing_behind(server, before):
    with pytest.raises(Refused):
        server.guided(changes={"width": 8, "height": 8, "init_images": ["x"]}, to="img2img")
    assert settled(server, before)
