"""The extension in AUTOMATIC1111's own script runner, samplers and prompt parser; CHECKPOINT is the exported miniature."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("auto1111sdk") is None:
    pytest.skip("auto1111sdk is in a lane of its own (tests/lanes/sdk.txt)", allow_module_level=True)
CHECKPOINT = os.environ.get("CHECKPOINT")
if not CHECKPOINT:
    pytest.skip("no checkpoint: set CHECKPOINT to the exported miniature", allow_module_level=True)
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
OURS = {"enabled": True, "oracle": "miniature", "questions": ["auto"], "every": 2}
TIMELINE, NOTE = "VLM Negative timeline", "VLM Negative note"


@pytest.fixture(scope="module")
def host():
    from sdk import Host

    return Host(CHECKPOINT, ROOT / "scripts" / "vlm_negative.py")


CHANGES = [
    *({"sampler_name": name} for name in ("Euler a", "DPM++ 2M Karras", "Heun", "LMS")),
    {"batch_size": 2},
    {"negative_prompt": "(blurry:1.2), [red:blue:0.5]"},
]


@pytest.mark.parametrize("change", CHANGES)
def test_guided_and_replayed(host, change):
    plain, _ = host.draw(**change)
    guided, p = host.draw(OURS, **change)
    timelines = p.extra_generation_params[TIMELINE]
    assert guided != plain and all("+" in text for text in timelines) and NOTE not in p.extra_generation_params
    assert host.draw({"enabled": True, "replay": timelines}, **change)[0] == guided
    assert host.draw(**change)[0] == plain


@pytest.mark.parametrize("own", ["", "blurry", "[red:blue:0.5] thing"])
def test_a_term_from_the_first_step_is_that_negative_prompt_to_the_pixel(host, own):
    static, _ = host.draw(negative_prompt=f"{own}, big dog".removeprefix(", "))
    assert host.draw({"enabled": True, "replay": ["0:+big dog"]}, negative_prompt=own)[0] == static


@pytest.mark.parametrize(("ours", "said"), [({"questins": []}, "no such setting"), ({"enabled": True, "every": 0}, "outside")])
def test_what_is_wrong_is_said_and_the_picture_comes(host, ours, said):
    plain, _ = host.draw()
    pixels, p = host.draw(ours)
    assert pixels == plain and said in p.extra_generation_params[NOTE]
