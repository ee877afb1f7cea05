"""What a question costs is measured on the same answers, one by one and in a batch."""

import json
from pathlib import Path

import pytest
import tiny_vlms
import torch
from PIL import Image

from lib_vlmneg.bench import oracles
from lib_vlmneg.bench.onebyone import one_by_one
from lib_vlmneg.cli import main
from lib_vlmneg.miniature import VILT
from lib_vlmneg.oracles.registry import load

PICTURES = [Image.radial_gradient("L").convert("RGB").resize((64, 64)), Image.new("RGB", (64, 48), "red")]


@pytest.mark.parametrize("kind", ["vilt", "blip", "llava"])
def test_one_by_one_says_what_the_batch_says(kind, tmp_path):
    folder = str(VILT if kind == "vilt" else getattr(tiny_vlms, kind)(tmp_path))
    ask, ours = one_by_one(folder, torch.device("cpu")), load(folder, "cpu", "float32")
    said = [[ask(picture, question) for question in oracles.QUESTIONS] for picture in PICTURES]
    assert said == [[group[0].text for group in image] for image in ours.ask(PICTURES, oracles.QUESTIONS, 1)]


@pytest.mark.skipif(not VILT.is_dir(), reason="the weights are not trained yet")
def test_the_table_of_the_miniature(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(oracles, "_memory", lambda way, *_: {"ours": 12.0, "one by one": None}[way])
    file = tmp_path / "figures.json"
    assert main(["bench", "oracles", "--seeds", "1", "--steps", "6", "--output", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["questions"] == figures["alike"] == 24
    assert figures["ratio"] == pytest.approx(figures["one by one"] / figures["ours"]) and figures["ratio"] > 1
    assert all(figures[f"picture, {way}"] > 0 for way in ("plain", "lag 0", "lag 1"))
    told = capsys.readouterr().out
    assert "answers alike: 24 of 24" in told and "memory: ours 12 MB\n" in told


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="this system does not say")
def test_memory_is_that_of_a_process_of_its_own():
    assert oracles._memory("ours", str(VILT), "cpu") > 10
