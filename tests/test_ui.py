"""The page: it builds, draws, and says in one line what is wrong."""

import pytest

from lib_vlmneg.cli import ui
from lib_vlmneg.cli.demo import SETTINGS
from lib_vlmneg.miniature import WEIGHTS
from lib_vlmneg.presets import from_page
from lib_vlmneg.settings import WEBUI_ONLY
from lib_vlmneg.webui.accordion import controls

gr = pytest.importorskip("gradio")

pytestmark = pytest.mark.skipif(not (WEIGHTS / "model_index.json").exists(), reason="the weights are not trained yet")


def _values(**changes):
    """What the page sends: the components' own values."""
    with gr.Blocks():
        made = controls(gr, gr.Checkbox(True), SETTINGS, str, WEBUI_ONLY)
    return list(({name: component.value for name, component in made.items()} | changes).values())


@pytest.fixture(scope="module")
def studio():
    from lib_vlmneg.hosts.diffusers import load_pipeline

    return ui._Studio(*load_pipeline("miniature"), "miniature", "auto")


def test_the_components_hold_the_settings_they_were_made_from():
    assert from_page(_values(), ui.NAMES) == SETTINGS


def test_the_page_builds():
    blocks = ui.page("miniature")
    assert any(getattr(block, "value", None) == "Generate" for block in blocks.blocks.values())


def test_it_draws_with_the_guide_and_without(studio):
    guided, said, timeline = studio.draw("a photo of a pet", "", 0, 6, 4.5, *_values())
    assert said.startswith("Pushed away from: ") and timeline is not None
    plain, said, timeline = studio.draw("a photo of a pet", "", 0, 6, 4.5, *_values(enabled=False))
    assert plain.size == guided.size == (128, 128) and timeline is None
    assert plain.tobytes() != guided.tobytes()


def test_bad_input_gives_a_message_and_no_picture(studio):
    assert studio.draw("a pet", "", 0, 6, 4.5, *_values(start="1.5")) == (
        None,
        "start: '1.5' is not a share from 0.0 to 1.0; a step is written without a point",
        None,
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("5, 3", "steps: 5 is not before 3; write them in order"),
        ("4/3", "steps: '4/3' is not a share from 0 to 1; write one as 1/3, or a step in digits"),
        ("1/0", "steps: '1/0' divides by 0; write a share as 1/3"),
        ("0, 6", "steps: 6 is no step of a run of 6; leave it out, or say with steps_of what it is of"),
    ],
)
def test_steps_that_are_none_are_said(studio, steps, said):
    assert studio.draw("a pet", "", 0, 6, 4.5, *_values(steps=steps)) == (None, said, None)
