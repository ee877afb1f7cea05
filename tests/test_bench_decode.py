"""Bench decode: every size is measured beside the full decode."""

import json

import pytest
import torch

from lib_vlmneg.bench import decode
from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers import sizes
from lib_vlmneg.miniature import VILT


def test_the_time_of_a_real_size_is_measured_in_both_precisions(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sizes, "SD15_VAE", sizes.SD15_VAE | {"block_out_channels": (32,) * 4, "layers_per_block": 1})
    monkeypatch.setattr(decode, "FULL", decode.FULL | {"sd15": 128})
    monkeypatch.setattr(decode, "SIDES", decode.SIDES | {"sd15": (64,)})
    file = tmp_path / "figures.json"
    assert main(["bench", "decode", "--model", "sd15", "--rounds", "1", "--device", "cpu", "--output", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert list(rows) == ["128 float32", "128 bfloat16", "64 float32", "64 bfloat16"]
    assert rows["128 float32"]["ratio"] == 1 and rows["64 float32"]["ratio"] < 1
    assert "64 bfloat16: " in capsys.readouterr().out


@pytest.mark.skipif(not VILT.is_dir(), reason="the weights are not trained yet")
def test_every_size_of_the_miniature_is_compared_with_the_full_decode(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(decode, "PROMPTS", decode.PROMPTS[:1])
    monkeypatch.setattr(decode, "SIDES", {"miniature": (128, 32)})
    file = tmp_path / "figures.json"
    given = ["--seeds", "1", "--steps", "4", "--rounds", "1", "--output", str(file)]
    assert main(["bench", "decode", *given]) == 0
    figures = json.loads(file.read_text())
    rows = figures["rows"]
    assert figures["pictures"] == 4 and figures["seeds"] == [40000, 40000]
    assert set(rows) == {"full", "128", "32", "tiny", "linear"}
    assert rows["full"]["alike"] == rows["128"]["alike"] == 4 and rows["full"]["ratio"] == 1
    assert rows["32"]["ratio"] < 0.5 and rows["tiny"]["by moment"] and figures["auto"] < 128
    assert "px without a tiny decoder" in capsys.readouterr().out


def test_a_step_is_watched_and_the_scheduler_is_left_as_it_was():
    from pipelines import sd

    pipe = sd()
    found = []
    with decode._watched(pipe.scheduler, {1}, found):
        pipe("a pet", num_inference_steps=3, height=16, width=16, output_type="latent")
    assert [x0.shape for x0 in found] == [torch.Size([1, 4, 8, 8])]
    assert "step" not in vars(pipe.scheduler)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--rounds", "0"], "rounds: 0 is below 1"),
        (["--seeds", "0"], "seeds: 0 is below 1"),
        (["--steps", "3"], "steps: 3 is below 4"),
        (["--seed", "-1"], "seed: -1 is below 0"),
        (["--model", "sd15", "--device", "abacus"], "device: 'abacus'"),
    ],
)
def test_bad_input_is_one_line(capsys, given, said):
    assert main(["bench", "decode", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
