"""Bench creativity: plain beside guided, also by a push that needs no oracle."""

import json

import pytest

from lib_vlmneg.cli import main
from lib_vlmneg.hosts import diffusers
from lib_vlmneg.miniature import JUDGE

pytestmark = pytest.mark.skipif(not JUDGE.is_dir(), reason="the weights are not trained yet")


def figures(tmp_path, *given):
    file, sheet = tmp_path / "figures.json", tmp_path / "sheet.png"
    assert (
        main(["bench", "creativity", "--seeds", "2", "--steps", "6", *given, "--output", str(file), "--grid", str(sheet)]) == 0
    )
    assert sheet.stat().st_size > 1000
    return json.loads(file.read_text())


def test_what_the_guide_saw_is_counted(tmp_path):
    found = figures(tmp_path, "--freq", "1", "--vqa_stop_step", "3")
    assert found["guided"]["terms per picture"] > 0
    assert sum(found["plain"]["kinds"].values()) == sum(found["guided"]["kinds"].values()) == 2


def test_a_push_inside_attention_needs_no_oracle(tmp_path):
    found = figures(tmp_path, "--guidance_scale", "1", "--push", "vsf", "--negative_prompt", "dog", "--seed", "40")
    assert found["guided"]["terms per picture"] == 0 and found["first"] == 40


def test_a_setting_that_is_none_is_one_line(capsys):
    assert main(["bench", "creativity", "--push", "vfs"]) == 2
    assert "push: 'vfs' is not one of" in capsys.readouterr().err
    assert main(["bench", "creativity", "--seed", "-1"]) == 2
    assert "seed: -1 is below 0" in capsys.readouterr().err
    assert main(["bench", "creativity", "--vqa_steps", "28"]) == 2
    assert "vqa_steps: 28 is no step of a run of 28" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "asks"), [((), 2), (("--preset", "Paper"), 5), (("--freq", "3"), 2), (("--vqa_steps", "0"), 1)]
)
def test_without_flags_the_default_is_measured_and_a_preset_by_its_name(flags, asks, tmp_path, monkeypatch):
    drawn, draw = [], diffusers.draw
    monkeypatch.setattr(diffusers, "draw", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    figures(tmp_path, *flags)
    assert [len({event.step for event in record.events}) for _, record in drawn] == [0, asks]
