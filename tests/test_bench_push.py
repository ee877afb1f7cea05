"""Bench push: every method is measured beside the plain call, on a model that is put back as it was."""

import json

import pytest
import torch

from lib_vlmneg.bench import push
from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers import sizes

NARROW = {
    "sd15": {"block_out_channels": (32, 32, 32, 32), "norm_num_groups": 8, "attention_head_dim": 4},
    "sd3": {"num_layers": 2, "num_attention_heads": 2, "caption_projection_dim": 128},
}


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    for name, changes in NARROW.items():
        monkeypatch.setattr(sizes, name.upper(), getattr(sizes, name.upper()) | changes)


@pytest.mark.parametrize("family", push.SIDES)
def test_every_method_is_measured(tmp_path, capsys, family):
    file = tmp_path / "figures.json"
    given = ["--model", family, "--rounds", "2", "--side", "64", "--device", "cpu", "--dtype", "float32"]
    assert main(["bench", "push", *given, "--output", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert set(figures["seconds"]) == {"plain", "vsf", "nag", "nasa"} and all(each > 0 for each in figures["seconds"].values())
    assert set(figures["ratios"]) == {"vsf", "nag", "nasa"} and figures["side"] == 64 and figures["model"] == family
    said = capsys.readouterr().out
    assert f"{family} at 64 px, random weights, float32 on cpu" in said and "nasa" in said


@pytest.mark.parametrize("family", push.SIDES)
def test_what_is_timed_is_pushed(family):
    torch.manual_seed(0)
    case = sizes.SIZES[family](64, torch.device("cpu"), torch.float32)
    seen = []
    timed = sizes.Case(case.pipe, lambda: seen.append(case.call().sample), case.width)
    negative = torch.randn(push.NEGATIVE_TOKENS, case.width)
    for name in ("plain", "vsf", "nag", "nasa", "plain"):
        push._seconds(timed, family, name, negative, torch.device("cpu"))
    assert torch.equal(seen[0], seen[-1])
    assert all(not torch.equal(seen[0], pushed) for pushed in seen[1:-1])


@pytest.mark.parametrize(("given", "said"), [(["--side", "100"], "side: 100"), (["--rounds", "0"], "rounds: 0 is below 1")])
def test_bad_input_is_one_line(capsys, given, said):
    assert main(["bench", "push", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
