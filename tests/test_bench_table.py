"""Bench table: its rows, its figures, how it goes on, and what the documents show of it."""

import math
from itertools import product
from pathlib import Path

import pytest

from lib_vlmneg.bench import markdown, spread, table
from lib_vlmneg.bench.table import DEFAULT, PLAIN, STATIC, USUAL, Drawn, Row, Sampling
from lib_vlmneg.cli import main
from lib_vlmneg.miniature.world import CATEGORIES, NOVEL
from lib_vlmneg.presets import PRESETS

ROOT = Path(__file__).parent.parent


def test_figures_have_their_right_values():
    kinds = ["dog"] * 4 + ["cat"] * 4 + [NOVEL] * 4 + ["none"] * 2 + ["car"] * 2
    assert spread.favourite(kinds, "pet") == 4 / 16
    assert spread.valid(kinds, "pet") == 12 / 16
    assert spread.kinds_of(kinds, "pet") == pytest.approx(3)
    assert spread.effective([3, 1]) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))
    assert spread.effective([]) == 0
    assert spread.gap(9, 1, "pet") == 1 and spread.gap(1, 1, "pet") == 0 and spread.gap(5, 1, "pet") == 0.5


def test_an_interval_holds_the_figure_and_narrows_with_more_pictures():
    def share(kinds, _):
        return spread.favourite(kinds, "pet")

    few, many = (spread.interval(share, ["dog", "cat"] * count, ["dog"]) for count in (8, 200))
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert spread.interval(share, ["dog", "cat"] * 8, ["dog"]) == few


def test_the_rows_are_plain_default_each_preset_a_static_list_and_other_samplings_in_pairs():
    rows = table.rows("full")
    usual = [row.name for row in rows if row.sampling == USUAL]
    assert usual == [PLAIN, *PRESETS, STATIC] and usual[1] == DEFAULT
    assert [row.count for row in rows if row.sampling == USUAL][:3] == [256, 256, 96]
    others = [(row.name, row.sampling) for row in rows if row.sampling != USUAL]
    assert others == [(name, sampling) for sampling in table.OTHERS for name in (PLAIN, DEFAULT)]
    assert {sampling.steps for _, sampling in others} == {8, 12, 20, 28, 50}
    assert {sampling.guidance for _, sampling in others} == {2.0, 4.5, 7.0, 10.0}


def test_a_run_goes_on_where_it_was_stopped_and_mixes_nothing(tmp_path, monkeypatch):
    drawn = []

    def batch(pipe, tiny, oracle, row, category, first, count):
        drawn.append((row.name, row.sampling, category, first, count))
        return {"seed": first, "kinds": ["dog"] * count, "first": ["dog"] * count, "asks": [2] * count, "seconds": 1.0}

    monkeypatch.setattr(table, "_batch", batch)
    monkeypatch.setattr("lib_vlmneg.hosts.diffusers.load_pipeline", lambda *_: (Quiet(), None))
    monkeypatch.setattr("lib_vlmneg.hosts.diffusers.load_oracle", lambda *_: None)
    rows = [Row(PLAIN, None, USUAL, 40), Row(DEFAULT, None, USUAL, 8)]
    table.draw_all(rows, 50000, tmp_path)
    assert len(drawn) == len(set(drawn)) == 4 * 3
    assert [(first, count) for name, _, category, first, count in drawn if (name, category) == (PLAIN, "pet")] == [
        (50000, 32),
        (50032, 8),
    ]
    assert drawn[0][0] == PLAIN and drawn[1][0] == DEFAULT and drawn[1][2] == "pet"  # one after the other, for the time
    before = list(drawn)
    table.draw_all(rows, 50000, tmp_path)
    assert drawn == before
    (table.path_of(tmp_path, rows[1], "fruit")).unlink()
    table.draw_all(rows, 50000, tmp_path)
    assert drawn[len(before) :] == [(DEFAULT, USUAL, "fruit", 50000, 8)]


class Quiet:
    def set_progress_bar_config(self, **_):
        pass


def test_lines_compare_with_the_plain_pictures_of_the_same_sampling(tmp_path):
    fast = Sampling(steps=8)
    found = {}
    for category, (sampling, plain_seconds) in product(CATEGORIES, ((USUAL, 2.0), (fast, 1.0))):
        first, second = CATEGORIES[category][:2]
        plain = Drawn([first] * 8, [""] * 8, [0] * 8, [plain_seconds])
        guided = Drawn([first, second] * 4, [first] * 6 + [second] * 2, [2] * 8, [plain_seconds * 1.25])
        found[Row(PLAIN, None, sampling, 8), category] = plain
        found[Row(DEFAULT, None, sampling, 8), category] = guided
    lines = spread.figures(found, 50000, "abc", "def")
    assert len(lines) == 16
    for line in lines:
        if line["row"] == DEFAULT:
            assert line["favourite"] == 0.5 and line["time"] == 1.25 and line["asks"] == 2
            assert line["kinds"] == pytest.approx(2) and line["gap"] == pytest.approx(1 / 8)
            assert line["right_at_first"] == 6 / 8  # the finished plain picture is the favourite
        else:
            assert line["time"] == 1 and line["gap"] == 0 and line["right_at_first"] == ""
    spread.write_csv(lines, tmp_path / "table.csv")
    read = markdown.read(tmp_path / "table.csv")
    assert [line["favourite"] for line in read] == [line["favourite"] for line in lines]
    assert "8 steps" in markdown.full(read) and DEFAULT in spread.text(lines)


def test_the_documents_show_the_csv():
    lines = markdown.read(ROOT / "docs" / "results" / "table.csv")
    assert len({line["weights"] for line in lines}) == 1
    assert markdown.short(lines) in (ROOT / "README.md").read_text()
    assert markdown.full(lines) in (ROOT / "docs" / "results.md").read_text()


def test_the_table_is_of_the_weights_that_ship():
    from lib_vlmneg.hosts.diffusers.weights import sha256
    from lib_vlmneg.miniature import WEIGHTS

    lines = markdown.read(ROOT / "docs" / "results" / "table.csv")
    assert lines[0]["weights"] == sha256(WEIGHTS)[:12]


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main(["bench", "table", "--seed", "-1"]) == 2
    assert "seed: -1 is not from 0" in capsys.readouterr().err
    assert main(["bench", "table", "--markdown", str(tmp_path / "no.csv")]) == 2
    assert "is no table of this bench" in capsys.readouterr().err


def test_ddim_does_not_clip_latents():
    from types import SimpleNamespace

    from diffusers import EulerAncestralDiscreteScheduler

    from lib_vlmneg.hosts.diffusers import samplers

    pipe = SimpleNamespace(scheduler=EulerAncestralDiscreteScheduler(timestep_spacing="trailing"))
    samplers.use(pipe, "ddim")
    assert pipe.scheduler.config.clip_sample is False and pipe.scheduler.config.timestep_spacing == "trailing"
