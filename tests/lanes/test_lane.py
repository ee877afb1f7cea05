"""Under a host's own pins: the package imports, the accordion is built, and the miniature's ViLT answers.

Run in each lane's environment (pip install -r tests/lanes/a1111.txt, or forge.txt), and with the others in the main one.
"""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

import lib_vlmneg
from lib_vlmneg.miniature import VILT
from lib_vlmneg.presets import from_page
from lib_vlmneg.settings import Settings

ROOT = Path(lib_vlmneg.__file__).parent
NOT_IN_A_WEBUI = ("hosts", "miniature", "bench", "cli", "__main__.py")


def modules():
    """Everything of ours that runs inside a WebUI, but what imports the host itself."""
    paths = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    inside = [path for path in paths if path.parts[0] not in NOT_IN_A_WEBUI and path.name != "__init__.py"]
    return [".".join(["lib_vlmneg", *path.with_suffix("").parts]) for path in inside]


@pytest.fixture(scope="module")
def said():
    """What each module says when it is imported alone, before any other of ours: nothing."""
    command = [sys.executable, str(Path(__file__).with_name("alone.py")), *modules()]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT.parent).stdout)


@pytest.mark.parametrize("name", modules())
def test_it_imports(name, said):
    assert said[name] == ""


def test_the_accordion_is_built_and_a_preset_can_be_chosen():
    gr = pytest.importorskip("gradio")
    from lib_vlmneg.webui.accordion import controls

    with gr.Blocks() as blocks:
        made = controls(gr, gr.Checkbox(False), Settings(), lambda name: f"script_txt2img_vlm_negative_{name}")
    assert list(made) == [item.name for item in fields(Settings)]
    assert from_page([component.value for component in made.values()]) == Settings()
    assert '"preset"' in str(blocks.config) or "preset" in str(blocks.get_config_file())


@pytest.mark.skipif(not VILT.is_dir(), reason="the weights are not trained yet")
@pytest.mark.parametrize("questions", [["What is the main object in this image?"], ["What is this?", "Is there a hat?"]])
def test_the_miniatures_eye_answers(questions):
    from lib_vlmneg.oracles.registry import load

    oracle = load(str(VILT), "cpu", "float32")
    answers = oracle.ask([Image.new("RGB", (128, 128), "red"), Image.new("RGB", (200, 100), "blue")], questions, topk=3)
    assert [[len(group) for group in image] for image in answers] == [[3] * len(questions)] * 2
    assert all(0 <= answer.score <= 1 and answer.text for image in answers for group in image for answer in group)


def test_install_reports_and_installs_nothing():
    said = subprocess.run([sys.executable, str(ROOT.parent / "install.py")], capture_output=True, text=True, check=True).stdout
    assert said.startswith("VLM Negative: transformers ") and said.count("\n") == 1 and "can be used" in said
    probe = "import runpy, sys; runpy.run_path('install.py', run_name='__main__'); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT.parent).stdout
    assert said.rstrip().endswith("False")
