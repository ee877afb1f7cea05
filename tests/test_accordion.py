"""The controls: one a setting, presets that fill them in, and the way back from a picture's parameters."""

from dataclasses import fields, replace

import pytest

from lib_vlmneg.presets import CUSTOM, PRESETS, from_page, preset
from lib_vlmneg.record import TIMELINE
from lib_vlmneg.schedule import Schedule
from lib_vlmneg.settings import INFOTEXT_PREFIX, Settings
from lib_vlmneg.webui.accordion import controls, shown
from lib_vlmneg.webui.infotext import paste_fields, paste_names

gr = pytest.importorskip("gradio")
CHANGED = Settings(enabled=True, questions=("auto", "What, else?"), every=3, stop=0.5, steps=(1, 4), mode="window", topk=2)


def made(settings):
    with gr.Blocks() as blocks:
        return blocks, controls(gr, gr.Checkbox(settings.enabled), settings, lambda name: f"script_txt2img_vlm_negative_{name}")


@pytest.mark.parametrize("settings", [Settings(), CHANGED, Settings(stop=1), *(preset(name) for name in PRESETS)])
def test_the_controls_hold_the_settings_they_were_made_from(settings):
    components = made(settings)[1]
    assert list(components) == [item.name for item in fields(Settings)]
    held = from_page([component.value for component in components.values()])
    assert held == settings and type(held.stop) is type(settings.stop)


def test_when_to_ask_is_one_row_and_the_steps_are_first_in_it():
    row = made(Settings())[1]["steps"].parent
    assert [item.label for item in row.children] == ["Steps", "Start", "Stop", "Every"]
    assert [item.value for item in row.children] == ["0, 1/3", "0", "1.0", 1]
    assert ["Only where Steps is empty" in item.info for item in row.children] == [False, True, True, True]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ({}, (0, 3)),
        ({"every": 2, "start": "1", "stop": "0.5"}, (0, 3)),
        ({"steps": ""}, (0, 1, 2, 3, 4, 5, 6)),
        ({"steps": " ", "every": 2, "start": "1"}, (1, 3, 5)),
        ({"steps": "", "stop": "1"}, (0, 1, 2, 3, 4, 5, 6)),
        ({"steps": "", "stop": "1.0"}, (0, 1, 2, 3, 4, 5, 6)),
        ({"steps": "", "stop": "step 1"}, (0,)),
        ({"steps": "", "stop": "2"}, (0, 1)),
        ({"steps": "1, 1/2 0.75"}, (1, 4, 6)),
    ],
)
def test_what_is_typed_of_the_rhythm(typed, asked):
    values = {name: component.value for name, component in made(Settings())[1].items()} | typed
    assert Schedule.of(from_page(list(values.values())), 8).wanted == asked


def test_every_control_has_an_id_of_its_own_a_label_and_a_line_of_help():
    blocks, components = made(Settings())
    ids = [block.elem_id for block in blocks.blocks.values() if getattr(block, "elem_id", None)]
    assert len(ids) == len(set(ids)) == len(components) - 1 + 4  # enabled is the caller's; the preset and three accordions
    assert all(component.label and component.info for name, component in components.items() if name != "enabled")


def test_the_page_s_saved_defaults_carry_all_but_the_timeline_of_one_picture():
    blocks, components = made(Settings())
    kept_back = {component for component in blocks.blocks.values() if getattr(component, "do_not_save_to_config", False)}
    assert kept_back == {components["replay"]}


def test_no_two_fields_share_a_label_by_which_the_host_saves_them():
    fields_of_the_page = [item for item in made(Settings())[0].blocks.values() if not hasattr(item, "children")]
    labels = [item.label for item in fields_of_the_page if getattr(item, "label", None)]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_the_controls_in_and_leaves_the_oracle(name):
    blocks, components = made(CHANGED)
    filled = {key: update["value"] for key, update in _by_component(blocks, components, name).items() if "value" in update}
    values = {key: component.value for key, component in components.items()} | filled
    assert from_page(list(values.values())) == preset(name)
    assert "oracle" not in filled


def _by_component(blocks, components, name):
    """What the preset's event does to each control."""
    event = next(item for item in blocks.fns.values() if item.fn and "<lambda>" in item.fn.__qualname__)
    names = {id(component): key for key, component in components.items()}
    return {names[id(output)]: update for output, update in zip(event.outputs, event.fn(name))}


def test_custom_leaves_everything():
    blocks, components = made(CHANGED)
    assert not any("value" in update for update in _by_component(blocks, components, CUSTOM).values())


def pasted(infotext, before, img2img=False):
    """The controls' values after a picture's parameters were pasted, as the host does it: None leaves them."""
    components = made(before)[1]
    found = {}
    for (component, read), name in zip(paste_fields(components, img2img), components):
        value = read(infotext)
        found[name] = component.value if value is None else type(component.value)(value)
    return from_page(list(found.values()))


def test_a_picture_of_ours_sets_every_control_also_those_at_their_default():
    infotext = Settings(enabled=True, questions=("auto",)).to_infotext() | {TIMELINE: "1:+dog|4:+cat / 2:+hat"}
    assert pasted(infotext, CHANGED) == Settings(enabled=True, questions=("auto",), replay=("1:+dog|4:+cat / 2:+hat",))


@pytest.mark.parametrize("stop", [1, 1.0, 0.5, 7])
def test_a_pasted_stop_is_the_one_that_was_drawn_with(stop):
    back = pasted(Settings(enabled=True, steps=(), stop=stop).to_infotext(), CHANGED)
    assert (type(back.stop), back.stop, back.steps) == (type(stop), stop, ())


def test_a_picture_of_a_time_without_default_steps_asks_at_each():
    old = {INFOTEXT_PREFIX + "enabled": "True", INFOTEXT_PREFIX + "every": "3"}
    assert pasted(old, Settings()) == Settings(enabled=True, steps=(), every=3)


def test_another_picture_switches_us_off_and_changes_nothing_else():
    assert pasted({"Steps": "20"}, CHANGED) == Settings(**{**CHANGED.to_dict(), "enabled": False})


def test_of_a_damaged_picture_the_readable_fields_are_taken_and_the_other_is_named(caplog):
    broken = {INFOTEXT_PREFIX + "enabled": "True", INFOTEXT_PREFIX + "every": "many", INFOTEXT_PREFIX + "main object": "toy"}
    with caplog.at_level("WARNING"):
        assert pasted(broken, CHANGED) == Settings(enabled=True, steps=(), every=CHANGED.every, suffix="toy")
    assert [record.message for record in caplog.records] == [
        "VLM Negative: every: 'many' is not a number; write one in digits. This field of the pasted picture is left as it was."
    ]


def test_the_names_are_the_keys_that_are_written():
    written = CHANGED.to_infotext()
    labels = {INFOTEXT_PREFIX + item.metadata["label"].lower() for item in fields(Settings)}
    assert set(written) <= labels == {key for _, key in paste_fields(made(Settings())[1])}


def test_all_but_the_timeline_is_sent_from_tab_to_tab_in_the_same_order():
    first, second = (paste_fields(made(Settings())[1], img2img) for img2img in (False, True))
    sent = paste_names(made(Settings())[1])  # the host compares these with the keys of both tabs
    assert [key for _, key in first if key in sent] == [key for _, key in second if key in sent] == sent
    assert {key for _, key in first} - set(sent) == {TIMELINE}


@pytest.mark.parametrize(
    ("parameters", "img2img"),
    [
        ({}, False),
        ({"Denoising strength": "0.7", "Hires upscale": "2", "Hires upscaler": "Latent"}, False),
        ({"Denoising strength": "0.7", "Hires resize": "0x0"}, False),
        ({"Denoising strength": "0.7"}, True),
        ({"Denoising strength": "0.7", "Mask blur": "4"}, True),
    ],
)
def test_a_timeline_is_pasted_into_the_tab_that_drew_it_and_all_else_into_both(parameters, img2img):
    settings = Settings(enabled=True, questions=("auto",), every=3)
    infotext = parameters | settings.to_infotext() | {TIMELINE: "1:+dog"}
    before = replace(CHANGED, replay=("2:+hat",))
    assert pasted(infotext, before, img2img) == replace(settings, replay=("1:+dog",))
    assert pasted(infotext, before, not img2img) == settings


def test_shown_is_what_the_user_would_type():
    assert [shown(name, CHANGED) for name in ("questions", "steps", "stop", "every", "mode")] == [
        "auto\nWhat, else?",
        "1, 4",
        "0.5",
        3,
        "window",
    ]
