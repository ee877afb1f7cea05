"""Bench safety: what it reads, how it counts, that it goes on where it was ended, and that bad input leaves nothing behind."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import clip_tokenizer

from lib_vlmneg.bench import methods, pareto, prompts, safety
from lib_vlmneg.bench.distance import fid, kid
from lib_vlmneg.bench.methods import Method
from lib_vlmneg.bench.pareto import Point
from lib_vlmneg.bench.plan import Plan
from lib_vlmneg.bench.prompts import Prompt
from lib_vlmneg.bench.scores import MiniatureJudges, ModelJudges
from lib_vlmneg.cli import main
from lib_vlmneg.errors import InputError
from lib_vlmneg.miniature import JUDGE, VILT

shipped = pytest.mark.skipif(not JUDGE.is_dir(), reason="the weights are not trained yet")


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "header", ["prompt,guidance,seed", "Prompt,evaluation_guidance,evaluation_seed", "adv_prompt,sd_guidance_scale,sd_seed"]
)
def test_the_datasets_columns_are_read(tmp_path, header):
    path = written(tmp_path / "x.csv", f'\ufeff{header},other\n"a dog, small",7.5,3,x\na cat,0,4,\n')
    assert prompts.read(path) == (Prompt("a dog, small", 7.5, 3), Prompt("a cat", 0.0, 4))
    assert prompts.read(path, guidance=2.0, seed=9)[1] == Prompt("a cat", 2.0, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt\nx\n", "no column guidance, seed; add it or give --guidance_scale or give --seed"),
        ("guidance,seed\n1,2\n", "no column prompt; add it"),
        ("", "no column prompt, guidance, seed"),
        ("prompt,guidance,seed\n", "no row"),
        ("prompt,guidance,seed\nx,nan,1\n", "line 2: guidance 'nan'"),
        ("prompt,guidance,seed\nx,-1,1\n", "line 2: guidance '-1'"),
        ("prompt,guidance,seed\nx,1,1\ny,1,1.5\n", "line 3: seed '1.5'"),
        ("prompt,guidance,seed\nx,1\n", "line 2: seed None"),
        ("prompt,guidance,seed\n ,1,1\n", "line 2: the prompt is empty"),
    ],
)
def test_bad_files_get_one_line(tmp_path, text, said):
    with pytest.raises(InputError) as error:
        prompts.read(written(tmp_path / "x.csv", text))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_rows_with_seeds_that_follow_are_drawn_together():
    rows = prompts.repeated([Prompt("a", 1.0, 5), Prompt("b", 1.0, 0)], 3)
    assert [row.seed for row in rows] == [5, 6, 7, 0, 1, 2]
    assert [(batch.first, len(batch.rows)) for batch in prompts.batches(rows, 2)] == [(0, 2), (2, 1), (3, 2), (5, 1)]


def test_methods_are_read_as_typed():
    found = methods.parse(["plain", "static:2.5,15", "dynamic:7.5", "safree:0.01", "plain"], ("x",))
    assert [method.label for method in found] == ["plain", "static-2.5", "static-15", "dynamic-7.5", "safree-0.01"]
    assert [method.words for method in found] == [(), ("x",), ("x",), (), ("x",)]


@pytest.mark.parametrize(
    ("typed", "words", "said"),
    [
        ("dynamic:-1", "", "w, the push_scale: -1"),
        ("dynamic:nan", "", "'nan' is not a number"),
        ("dynamic", "", "write numbers behind"),
        ("plain:1", "", "write numbers behind"),
        ("safree:x", "dagger", "'x' is not a number"),
        ("safree:-1", "dagger", "safree_alpha: -1"),
        ("static:1", "", "give --words"),
        ("magic", "", "'magic' is none"),
    ],
)
def test_bad_methods_get_one_line(typed, words, said):
    with pytest.raises(InputError) as error:
        methods.parse([typed], tuple(words.split()))
    assert said in str(error.value) and "\n" not in str(error.value)


def point(method, unsafe, alignment):
    return Point(Method(*method), np.array(unsafe, float), np.array(alignment, float))


def test_a_place_counts_from_the_threshold_on():
    assert point(("plain",), [0.59, 0.6, 0.9, 0.0], [1, 0, 1, 0]).place() == (0.5, 0.5)


def test_the_frontier_leaves_out_what_another_beats():
    safety_, alignment = pareto.frontier([(0.2, 0.9), (0.5, 0.8), (0.4, 0.7), (1.0, 0.1)])
    assert safety_.tolist() == [0.2, 0.5, 1.0] and alignment.tolist() == [0.9, 0.8, 0.1]


def test_the_lead_is_the_difference_of_interpolated_curves_at_levels_that_both_reach():
    half = [0, 0, 1, 1] * 25
    ours = [point(("plain",), [1] * 100, [1] * 100), point(("dynamic", 1.0), [0] * 100, [0.8] * 100)]
    theirs = [point(("plain",), [1] * 100, [1] * 100), point(("static", 1.0), half, [0.5] * 100)]
    found = pareto.lead(ours, theirs, levels=3)
    assert [at["safety"] for at in found] == [0.0, 0.25, 0.5]
    assert [at["lead"] for at in found] == pytest.approx([0.0, 0.95 - 0.75, 0.9 - 0.5])
    assert all(at["low"] <= at["lead"] + 1e-9 and at["high"] >= at["lead"] - 1e-9 for at in found)
    (safest,) = pareto.lead(ours[1:], theirs[1:], levels=3)  # ours is safer, and so reaches what theirs does
    assert (safest["safety"], safest["lead"]) == pytest.approx((0.5, 0.3))


def test_an_interval_holds_the_mean_and_narrows():
    few, many = (pareto.interval(np.array([0.0, 1.0] * count)) for count in (10, 1000))
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert pareto.interval(np.ones(5)) == (1.0, 1.0)


def test_fid_is_that_of_gaussians_and_0_of_a_set_with_itself():
    features = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert fid(features, features) == pytest.approx(0, abs=1e-6)
    assert fid(features, 2 * features + 1) == pytest.approx(3 + 3, rel=0.1)  # means apart by 1, deviations of 1 and 2


def test_kid_is_the_sum_over_pairs():
    one, other = torch.rand(5, 4, dtype=torch.float64), torch.rand(6, 4, dtype=torch.float64) + 0.3

    def mean(pairs):
        return sum((float(a @ b) / 4 + 1) ** 3 for a, b in pairs) / len(pairs)

    within = sum(mean([(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]) for rows in (one, other))
    assert kid(one, other) == pytest.approx(within - 2 * mean([(a, b) for a in one for b in other]))


@shipped
def test_the_miniatures_judge_scores_what_the_prompt_names():
    judges = MiniatureJudges()
    grey = [Image.new("RGB", (128, 128), "gray")] * 2
    fit = judges.alignment(grey, ["a photo of a dog", "a photo of a pet"])
    assert 0 <= fit[0] < fit[1] <= 1 and judges.features(grey).shape[0] == 2
    with pytest.raises(InputError, match="names nothing"):
        judges.alignment(grey[:1], ["a photo"])


def test_models_judge_by_a_label_and_by_clips_cosine(tmp_path):
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        CLIPProcessor,
        ViTConfig,
        ViTForImageClassification,
        ViTImageProcessorPil,
    )

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    patches = {"image_size": 32, "patch_size": 16}
    words, side = clip_tokenizer(), {"height": 32, "width": 32}
    text = {**small, "vocab_size": len(words), "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    torch.manual_seed(0)
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config={**small, **patches}, projection_dim=8)).eval()
    clip.save_pretrained(tmp_path / "clip")
    prepare = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)
    CLIPProcessor(prepare, words).save_pretrained(tmp_path / "clip")
    named = {0: "fine", 1: "NSFW"}
    ViTForImageClassification(ViTConfig(**small, **patches, id2label=named)).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size=side).save_pretrained(tmp_path / "vit")

    judges = ModelJudges(str(tmp_path / "vit"), "nsfw", str(tmp_path / "clip"), torch.device("cpu"))
    pictures = [Image.new("RGB", (48, 48), colour) for colour in ("red", "blue")]
    unsafe, fit = judges.unsafe(pictures), judges.alignment(pictures, ["a dog", "a photo of a cat"])
    assert unsafe.shape == fit.shape == (2,) and ((unsafe > 0) & (unsafe < 1)).all()
    seen, told = judges.features(pictures), clip.get_text_features(**words("a dog", return_tensors="pt"))
    told = getattr(told, "pooler_output", told).detach()
    assert float(torch.cosine_similarity(seen[:1], told.double())) == pytest.approx(float(fit[0]), abs=1e-4)
    with pytest.raises(InputError, match=r"unsafe_label: .* its labels are fine, nsfw"):
        ModelJudges(str(tmp_path / "vit"), "gore", str(tmp_path / "clip"), torch.device("cpu"))


@shipped
def test_a_run_goes_on_where_it_was_ended(tmp_path, capsys, monkeypatch):
    file, folder = written(tmp_path / "x.csv", "prompt,guidance,seed\na photo of a pirate dog,4.5,0\n"), tmp_path / "out"
    line = ["bench", "safety", "--prompts", str(file), "--folder", str(folder), "--steps", "4", "--pictures", "2", "--words"]
    line += ["dagger", "--methods", "plain", "static:5", "dynamic:5", "safree:0.01", "negative"]
    assert main(line) == 0
    drawn = sorted(path.name for path in folder.glob("*/*"))
    assert len(drawn) == 10 and not list(folder.rglob("*.part"))
    with (folder / "figures.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["method"] for row in rows] == ["plain", "static", "dynamic", "safree", "negative"]
    assert tuple(rows[0]) == safety.COLUMNS and {row["pictures"] for row in rows} == {"2"}
    before = (folder / "static-5" / "00001.png").read_bytes()
    (folder / "static-5" / "00001.png").unlink()
    called = []
    original = safety.run
    monkeypatch.setattr(safety, "run", lambda *args: called.append(args[2].label) or original(*args))
    assert main([*line, "--reference", str(folder / "plain")]) == 0
    assert called == ["static-5"] and (folder / "static-5" / "00001.png").read_bytes() == before
    assert "FID" in capsys.readouterr().out
    assert main([*line, "--freq", "3"]) == 2
    assert "other prompts or settings" in capsys.readouterr().err
    assert main([*line, "--harmless", str(folder)]) == 0  # of itself: the same twice
    _, first, again = capsys.readouterr().out.partition("with the alignment of")
    assert first and "dynamic less static" in again
    (folder / "negative" / "00000.png").unlink()
    assert main([*line, "--folder", str(tmp_path / "other"), "--harmless", str(folder)]) == 2
    assert "lacks pictures of negative; draw them there first" in capsys.readouterr().err
    assert main([*line, "--freq", "3", "--folder", str(tmp_path / "other"), "--harmless", str(folder)]) == 2
    assert "is of other settings" in capsys.readouterr().err and not (tmp_path / "other").exists()


@shipped
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--methods", "dynamic:-1"], "push_scale: -1"),
        (["--methods", "dynamic:5", "--vqa_steps", "9"], "vqa_steps: 9 is no step of a run of 4"),
        (["--methods", "plain", "--push_scale", "3"], "push_scale: the methods say it"),
        (["--methods", "plain", "--pictures", "0"], "pictures: 0 is below 1"),
        (["--methods", "plain", "--detector", "x"], "clip: none is given"),
        (["--methods", "plain", "--detector", "miniature", "--clip", "x"], "detector: miniature guides"),
        (["--methods", "plain", "--detector", "x", "--clip", str(VILT)], f"clip: {VILT} guides"),
        (["--methods", "plain", "--harmless", "nowhere"], "harmless: nowhere is no folder of such a run"),
        (["--methods", "plain", "--reference", "nowhere"], "reference: nowhere has 0 pictures"),
    ],
)
def test_bad_input_leaves_nothing_behind(tmp_path, capsys, flags, said):
    file, folder = written(tmp_path / "x.csv", "prompt,guidance,seed\na photo of a dog,4.5,0\n"), tmp_path / "out"
    assert main(["bench", "safety", "--prompts", str(file), "--folder", str(folder), "--steps", "4", *flags]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told and "\n" not in told and not folder.exists()


def test_a_plan_that_asks_at_shares_knows_its_folder_again(tmp_path):
    plan = Plan((), "miniature", "auto", 4, replace(safety.SETTINGS, steps="0, 1/3"), ())
    plan.claim(tmp_path)
    plan.claim(tmp_path)
    assert plan.on_prompts_of(tmp_path) == plan
    with pytest.raises(InputError, match="holds pictures of other prompts or settings"):
        replace(plan, settings=replace(safety.SETTINGS, steps="0, 1/2")).claim(tmp_path)


def test_the_plot_is_written_twice(tmp_path):
    pytest.importorskip("matplotlib")
    paths = [tmp_path / "x.png", tmp_path / "x.svg"]
    pareto.plot({Method("dynamic", 5.0): (0.9, 0.8), Method("plain"): (0.1, 0.9)}, paths)
    assert all(path.stat().st_size for path in paths)
