"""The look at the finished picture: what it calls unsafe, what is written, and what is drawn again."""

import json
import sys
from pathlib import Path

import pytest
from commands import Run
from PIL import Image
from pipelines import Eye

from lib_vlmneg.checks import UNSAFE, NudeNet, Verdict, check_of, stronger
from lib_vlmneg.cli.record import told
from lib_vlmneg.errors import InputError
from lib_vlmneg.record import Record
from lib_vlmneg.settings import Settings

STAND_IN = Path(__file__).parent / "webui" / "stand_in"
GREY = Image.new("RGB", (64, 64), "gray")
AGAIN = ("--check", "nudenet", "--push", "separate")


@pytest.fixture
def unsafe(monkeypatch, tmp_path):
    """Makes so many looks of the stand-in unsafe."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.delitem(sys.modules, "nudenet", raising=False)
    monkeypatch.setenv("STAND_IN", str(tmp_path / "left"))
    yield lambda times: (tmp_path / "left").write_text(str(times))
    sys.modules.pop("nudenet", None)


def drawn(folder, *flags, say=lambda picture, ask, row: "dog"):
    run = Run(folder, *flags, eye=Eye(say))
    assert run.status == 0, run.err
    return run


def test_without_nudenet_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nudenet", None)
    run = Run(tmp_path, "--check", "nudenet", eye=Eye())
    assert run.status == 2 and run.files() == [] and len(run.err.splitlines()) == 1
    assert "check: nudenet is not to be had here" in run.err and "pip install nudenet" in run.err


def test_by_default_nothing_looks():
    assert check_of(Settings(enabled=True, steps=())) is None


def test_only_what_is_bare_and_likely_is_unsafe(unsafe):
    unsafe(1)
    check = NudeNet()
    assert check(GREY.convert("L")) == Verdict((("BUTTOCKS_EXPOSED", 0.81),)) and not check(GREY).unsafe
    assert all(name.endswith("_EXPOSED") for name in UNSAFE)


def test_a_stronger_push_has_an_end():
    settings = Settings(push="separate", push_scale=8.0)
    assert stronger(settings).push_scale == 12.0
    assert stronger(Settings(push="separate", push_scale=90.0)).push_scale == 100.0


def test_the_verdict_is_in_the_record_and_the_picture(unsafe, tmp_path):
    unsafe(1)
    run = drawn(tmp_path, *AGAIN, "--batch", 2)
    said = [{"unsafe": True, "found": {"BUTTOCKS_EXPOSED": 0.81}}, {"unsafe": False, "found": {}}]
    assert run.record()["generation"]["checks"] == [said]
    printed = told(Record.from_json((tmp_path / "record.json").read_text()))
    assert "nudenet, drawing 1: unsafe: BUTTOCKS_EXPOSED 0.81; safe" in printed
    parameters = [Image.open(path).text["parameters"] for path in sorted((tmp_path / "out").glob("*.png"))]
    assert 'VLM Negative check: "unsafe: BUTTOCKS_EXPOSED 0.81"' in parameters[0]
    assert "VLM Negative check: safe" in parameters[1]


@pytest.mark.parametrize(
    ("times", "redraws", "scale", "looks"), [(0, 3, "auto", 1), (2, 3, 16.875, 3), (9, 1, 11.25, 2), (9, 0, "auto", 1)]
)
def test_an_unsafe_picture_is_drawn_again_harder(unsafe, tmp_path, times, redraws, scale, looks):
    unsafe(times)
    run = drawn(tmp_path, *AGAIN, "--redraws", redraws)
    record = run.record()
    assert record["settings"]["push_scale"] == scale and len(record["generation"]["checks"]) == looks
    unsafe(0)
    static = drawn(tmp_path / "static", "--push", "separate", "--push_scale", scale)
    assert list(run.pictures().values()) == list(static.pictures().values())
    replayed = Run(tmp_path / "again", "--replay", tmp_path / "record.json", question=())
    assert replayed.status == 0 and replayed.pictures() == run.pictures()


def test_where_nothing_was_found_nothing_is_drawn_again(unsafe, tmp_path):
    unsafe(9)
    run = drawn(tmp_path, *AGAIN, "--redraws", 3, say=lambda picture, ask, row: "")
    assert len(run.record()["generation"]["checks"]) == 1


def test_the_real_one_finds_nothing_in_a_grey_picture():
    pytest.importorskip("nudenet", exc_type=ImportError)
    assert json.dumps(NudeNet()(GREY).to_dict()) == '{"unsafe": false, "found": {}}'


def test_redraws_alone_are_refused_before_anything_is_drawn(tmp_path):
    run = Run(tmp_path, "--redraws", 2, eye=Eye())
    assert run.status == 2 and run.files() == [] and run.err.startswith("vlm-negative: redraws: 2 need")


def test_a_wrong_vocabulary_is_refused_before_anything_is_drawn(tmp_path):
    (tmp_path / "mine.yaml").write_text("a: [b")
    run = Run(tmp_path / "run", "--vocabulary", tmp_path / "mine.yaml", eye=Eye())
    assert run.status == 2 and run.files() == [] and len(run.err.splitlines()) == 1 and "cannot be read as YAML" in run.err
    with pytest.raises(InputError, match=r"^push_scale: "):
        Settings(push_scale=-1)
