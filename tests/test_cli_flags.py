"""Every flag of `generate` changes what it names."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from chat_server import says, serving
from commands import Run
from PIL import Image
from pipelines import KINDS, Eye, flux, sd, sd3, sdxl, weights

from lib_vlmneg import miniature
from lib_vlmneg.cli import generate, main
from lib_vlmneg.miniature import models

SHOWN = set()


def shows(*flags):
    """Marks a test as the one that shows what these flags change."""
    SHOWN.update(flags)
    return lambda test: test


@dataclass(frozen=True)
class Case:
    """A flag, what it changes when it is given beside `others`, and what the oracle says meanwhile."""

    given: tuple
    reads: Callable[[Run], Any]
    before: Any
    after: Any
    others: tuple = ()
    say: Callable = lambda picture, ask, row: KINDS[ask] if ask < len(KINDS) else ""


def once(picture, ask, row):
    return "dog" if ask == 0 else ""


def two(picture, ask, row):
    return ["dog", "wolf"] if ask == 0 else ""


def extra_calls(run):
    return run.record()["extra_calls"]


EACH = ("--vqa_steps", "")  # of the four steps three ask, and by default two: 0 and 2
CASES = [
    Case(("--negative_prompt", "red"), Run.negative, "dog, cat", "red, dog, cat"),
    Case(("--height", 64), Run.size, (32, 32), (32, 64)),
    Case(("--width", 64), Run.size, (32, 32), (64, 32)),
    Case(("--steps", 10), Run.asked, [0, 2], [0, 4]),
    Case(("--seed", 3), lambda run: list(run.pictures()), ["seed_0.png"], ["seed_3.png"]),
    Case(("--batch", 2), lambda run: list(run.pictures()), ["seed_0.png"], ["seed_0.png", "seed_1.png"]),
    Case(("--freq", 1), Run.asked, [0, 2], [0, 1, 2]),
    Case(("--freq", 2), Run.asked, [0, 1, 2], [0, 2], EACH),
    Case(("--vqa_start_step", 1), Run.asked, [0, 2], [1, 2]),
    Case(("--vqa_start_step", 0.5), Run.asked, [0, 2], [2]),
    Case(("--vqa_stop_step", 1), Run.asked, [0, 2], [0]),
    Case(("--vqa_stop_step", 0.5), Run.asked, [0, 2], [0, 1]),
    Case(("--vqa_stop_step", 1.0), Run.asked, [0, 1], [0, 1, 2], ("--vqa_stop_step", 2)),
    Case(("--vqa_steps", "1, 1/2"), Run.asked, [0, 2], [1, 2]),
    Case(("--vqa_steps", "0 1"), Run.asked, [0], [0, 1], ("--freq", 3)),
    Case(EACH, Run.asked, [0, 2], [0, 1, 2]),
    Case(("--preset", "paper"), Run.asked, [0, 2], [0, 1, 2]),
    Case(("--preset", "Safety, VL-DNP"), Run.asked, [0, 2], [1, 2]),
    Case(("--preset", "Paper"), Run.asked, [0], [0], ("--vqa_steps", "0")),
    Case(("--steps_of", 8), Run.asked, [0, 2], [0, 1], ("--vqa_steps", "0 2")),
    Case(("--push", "separate"), extra_calls, 0, 3),
    Case(("--push_scale", 0), extra_calls, 3, 0, ("--push", "separate")),
    Case(("--settle", 1), Run.asked, [0, 1, 2, 3, 4, 5, 6], [0, 1, 3], ("--steps", 8, *EACH), once),
    Case(("--lag", 1), lambda run: run.record()["timelines"], ["1:+dog"], ["2:+dog"], say=once),
    Case(("--topk", 2), Run.negative, "dog", "dog, wolf", say=two),
    Case(("--min_score", 0.95), Run.negative, "dog, cat", ""),
    Case(("--only",), Run.negative, "", "cat", ("--vocabulary", "cat, horse")),
    Case(("--accumulate", "replace"), Run.negative, "dog, cat", "cat"),
    Case(("--window", 2), Run.negative, "dog, cat, castle", "cat, castle", ("--accumulate", "window", *EACH)),
    Case(("--main_object", "toy"), Run.negative, "dog", "dog toy", say=once),
    Case(("--max_terms", 1), Run.negative, "dog, cat", "cat"),
    Case(("--max_tokens", 3), Run.negative, "dog, cat, castle", "cat, castle", EACH),
    Case(("--negate_prompt",), Run.negative, "", "pet", ("--prompt", "a pet"), lambda picture, ask, row: "pet"),
    Case(("--clear_negatives_at_stop",), lambda run: run.record()["timelines"], ["1:+dog"], ["1:+dog|3:-dog"],
         ("--vqa_stop_step", 3), once),
    Case(("--decode", "linear"), lambda run: run.eye.shown[0][0].size, (32, 32), (4, 4)),
    Case(("--vocabulary", "dog, hat"), lambda run: run.eye.questions[0], ["What is this?"],
         ["Is there a dog in the image?", "Is there a hat in the image?"]),
    Case(("--prefix", "Bad"), Run.negative, "dog", "Bad, dog", say=once),
    Case(("--question", "What color is it?"), lambda run: run.eye.questions[0], ["What is this?"],
         ["What is this?", "What color is it?"]),
    Case(("--question", "Who?", "Why?", "--question", "When?"), lambda run: run.eye.questions[0], ["What is this?"],
         ["What is this?", "Who?", "Why?", "When?"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """The run that cases start from, one for those that have it in common."""
    return cache(lambda others, say: Run(tmp_path_factory.mktemp("without"), *others, eye=Eye(say)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case.given)))
def test_the_flag_changes_what_it_names(case, starts, tmp_path):
    without = starts(case.others, case.say)
    given = Run(tmp_path, *case.others, *case.given, eye=Eye(case.say))
    assert (without.status, given.status) == (0, 0), given.err
    assert case.reads(without) == case.before
    assert case.reads(given) == case.after


def test_every_flag_is_shown():
    parser = argparse.ArgumentParser()
    generate.add_arguments(parser)
    flags = {action.option_strings[-1] for action in parser._actions} - {"--help"}
    assert flags == SHOWN | {case.given[0] for case in CASES}


@shows("--oracle_size")
@pytest.mark.parametrize("size", [0, 16])
def test_a_model_that_chats_is_shown_a_picture_of_that_size(size, tmp_path):
    class Chatty(Eye):
        chats, told = True, None

        def ask(self, images, questions, topk, prompting=None):
            self.told = prompting
            return super().ask(images, questions, topk)

    eye = Chatty(once)
    run = Run(tmp_path, "--oracle_size", size, eye=eye)
    assert run.status == 0 and (eye.told.side if eye.told else 0) == size


@shows("--check", "--redraws")
@pytest.mark.parametrize(("redraws", "looks"), [(0, 1), (2, 3)])
def test_an_unsafe_picture_is_drawn_again_so_often(redraws, looks, tmp_path, monkeypatch):
    detector = SimpleNamespace(detect=lambda image: [{"class": "ANUS_EXPOSED", "score": 0.9}])
    monkeypatch.setitem(sys.modules, "nudenet", SimpleNamespace(NudeDetector=lambda: detector))
    flags = ("--push", "separate", "--check", "nudenet", "--redraws", redraws)
    assert len(Run(tmp_path, *flags, eye=Eye(lambda *_: "dog")).record()["generation"]["checks"]) == looks


@shows("--prompt", "--seed", "--negative_prompt", "--guidance_scale")
@pytest.mark.parametrize(
    "flags", [("--prompt", "a dog"), ("--seed", 1), ("--negative_prompt", "dog, cat"), ("--guidance_scale", 15)]
)
def test_another_picture_is_drawn(flags, tmp_path):
    before, after = (Run(tmp_path / name, *more, question=()) for name, more in (("before", ()), ("after", flags)))
    assert [*before.pictures().values()] != [*after.pictures().values()]
    assert after.record()["generation"][flags[0][2:]] == flags[1]


@shows("--question")
def test_without_a_question_the_plain_picture_is_drawn(tmp_path):
    eye = Eye()
    plain = Run(tmp_path / "plain", eye=eye, question=())
    assert eye.asks == 0
    assert plain.record()["timelines"] == [""]
    assert plain.pictures() != Run(tmp_path / "guided", eye=Eye()).pictures()


def test_a_preset_needs_no_question(tmp_path):
    run = Run(tmp_path, "--preset", "default", eye=Eye(), question=())
    assert run.asked() == [0, 2] and run.eye.questions[0] == ["What is the main object in this image?"]


def test_an_old_record_is_replayed_as_one_that_asked_at_every_step(tmp_path):
    drawn = Run(tmp_path / "drawn", *EACH, eye=Eye())
    body = drawn.record()
    del body["settings"]["steps"]
    (tmp_path / "old.json").write_text(json.dumps(body))
    again = Run(tmp_path / "again", "--replay", tmp_path / "old.json", question=())
    assert again.record()["settings"]["steps"] == [] and again.bytes() == drawn.bytes()


@shows("--output_dir")
def test_pictures_go_to_the_output_folder(tmp_path):
    run = Run(tmp_path, "--output_dir", tmp_path / "else" / "where", question=())
    assert "else/where/seed_0.png" in run.files()
    assert not run.pictures()


@shows("--model", "--oracle_id")
def test_models_are_loaded_from_their_folders(tmp_path):
    sdxl().save_pretrained(tmp_path / "sdxl")
    other = Run(tmp_path / "a", "--model", tmp_path / "sdxl", "--oracle_id", weights() / "vilt")
    assert type(other.pipe).__name__ == "StableDiffusionXLPipeline"
    assert other.record()["oracle"] == str(weights() / "vilt")
    assert other.asked() == [0, 2]
    assert other.pictures() != Run(tmp_path / "b", question=()).pictures()


@shows("--remotes")
def test_a_server_answers_that_the_file_names(tmp_path):
    file = tmp_path / "remotes.json"
    with serving(always=says("Dog.")) as server:
        file.write_text(json.dumps([{"name": "eye", "url": server.url, "model": "m"}]))
        run = Run(tmp_path / "run", "--oracle_id", "remote:eye", "--remotes", file)
    assert run.record()["oracle"] == "remote:eye" and run.record()["timelines"] == ["1:+dog"]


@shows("--model", "--oracle_id")
def test_without_them_the_miniature_draws_and_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(miniature, "WEIGHTS", weights())
    monkeypatch.setattr(miniature, "VILT", weights() / "vilt")
    run = Run(tmp_path, "--model", "miniature")
    assert run.record()["oracle"] == str(weights() / "vilt")
    assert run.record()["settings"]["oracle"] == "miniature"
    assert run.asked() == [0, 2]


@shows("--dtype", "--device")
def test_device_and_dtype_are_the_pipelines(tmp_path):
    single = Run(tmp_path / "single", "--device", "cpu", question=())
    half = Run(tmp_path / "half", "--device", "cpu", "--dtype", "bfloat16", question=())
    assert single.pipe.unet.dtype == torch.float32
    assert half.pipe.unet.dtype == half.pipe.vae.dtype == torch.bfloat16
    assert half.load[1] == "cpu"
    one, other = (np.asarray(Image.open(run.folder / "out" / "seed_0.png"), int) for run in (single, half))
    assert 0 < np.abs(one - other).mean() < 20


@shows("--static")
def test_a_static_list_is_a_negative_prompt_or_has_a_push_of_its_own(tmp_path):
    joined, typed, pushed, guided = (
        Run(tmp_path / name, "--prompt", "a pet", *flags, question=())
        for name, flags in {
            "joined": ("--negative_prompt", "red", "--static", "dog", "a cat"),
            "typed": ("--negative_prompt", "red, dog, a cat"),
            "pushed": ("--static", "dog", "--push", "separate", "--push_scale", 3.5),
            "guided": ("--negative_prompt", "dog"),  # at a scale of 4.5 the same as a push of 3.5 from the first step on
        }.items()
    )
    assert joined.pictures() == typed.pictures()
    assert pushed.record()["timelines"] == ["0:+dog"] and pushed.record()["extra_calls"] == 4 and not pushed.record()["oracle"]
    one, other = (np.asarray(Image.open(run.folder / "out" / "seed_0.png"), int) for run in (pushed, guided))
    assert np.abs(one - other).max() <= 1
    again = Run(tmp_path / "again", "--replay", pushed.folder / "record.json", question=(), record=False)
    assert again.pictures() == pushed.pictures()
    both = Run(tmp_path / "both", "--static", "dog")
    assert both.status == 2 and both.err.startswith("vlm-negative: static: ") and not both.files()


@shows("--safree", "--safree_alpha")
def test_safree_filters_the_prompt_and_is_replayed(tmp_path):
    prompt = ("--prompt", "a photo of a pirate dog on a red background", "--steps", 12)
    plain, filtered, never = (
        Run(tmp_path / name, *prompt, *flags, question=())
        for name, flags in {
            "plain": (),
            "filtered": ("--safree", "dagger"),
            "never": ("--safree", "dagger", "--safree_alpha", 1e6),
        }.items()
    )
    assert plain.pictures() == never.pictures() != filtered.pictures()
    assert filtered.record()["generation"]["safree"]["phrases"] == ["dagger"]
    replay = ("--steps", 12, "--replay", filtered.folder / "record.json")
    again = Run(tmp_path / "again", *replay, question=(), record=False)
    assert again.pictures() == filtered.pictures()
    for flags in (("--safree_alpha", 1), ("--safree", "dagger", "--safree_alpha", "nan"), ("--safree", " ")):
        bad = Run(tmp_path / "bad", *flags, question=())
        assert bad.status == 2 and bad.err.startswith("vlm-negative: safree") and bad.err.count("\n") == 1 and not bad.files()


@shows("--oracle_device", "--oracle_dtype")
def test_the_oracle_has_a_device_and_dtype_of_its_own(tmp_path):
    oracle = ("--oracle_id", weights() / "vilt", "--oracle_device", "cpu")
    single, half = (Run(tmp_path / dtype, *oracle, "--oracle_dtype", dtype) for dtype in ("float32", "bfloat16"))
    assert single.pipe.unet.dtype == half.pipe.unet.dtype == torch.float32
    scores = [run.record()["events"][0]["answers"][0][0][1] for run in (single, half)]
    assert scores[0] != scores[1] and scores[0] == pytest.approx(scores[1], abs=0.1)
    wrong = Run(tmp_path / "wrong", "--oracle_id", weights() / "vilt", "--oracle_device", "abacus")
    assert wrong.status == 2 and wrong.err.startswith("vlm-negative: device: 'abacus' is not to be had here")


@shows("--tiny_decoder")
def test_the_oracle_sees_through_the_tiny_decoder_that_is_given(tmp_path):
    torch.manual_seed(9)
    models.tiny_autoencoder().save_pretrained(tmp_path / "tiny")
    own = Run(tmp_path / "own", "--decode", "tiny", eye=Eye())
    other = Run(tmp_path / "other", "--decode", "tiny", "--tiny_decoder", tmp_path / "tiny", eye=Eye())
    assert own.eye.shown[0][0].tobytes() != other.eye.shown[0][0].tobytes()


@shows("--distilled_guidance")
def test_distilled_guidance_is_fluxs_own(tmp_path):
    runs = [
        Run(tmp_path / str(scale), "--distilled_guidance", scale, load_pipeline=lambda *_: (flux(), None), question=())
        for scale in (1.0, 9.0)
    ]
    assert runs[0].pictures() != runs[1].pictures()


STATIC = ("--guidance_scale", 1, "--negative_prompt", "dog")
KINDS_OF = {"sd": cache(sd), "sd3": cache(sd3), "flux": cache(flux)}


@shows("--push_offset", "--push_tau", "--push_alpha", "--push_blocks", "--push_start", "--push_end", "--push_compat",
       "--push_pooled", "--push_only_at_cfg_1")  # fmt: skip
@pytest.mark.parametrize(
    ("flags", "others", "kind"),
    [
        (("--push", "nag"), ("--push", "vsf"), "sd"),
        (("--push_scale", 3.5), ("--push", "vsf"), "sd"),
        (("--push_offset", 3), ("--push", "vsf"), "sd"),
        (("--push_tau", 1), ("--push", "nag", "--push_scale", 9, "--push_alpha", 1), "sd"),
        (("--push_alpha", 0), ("--push", "nag"), "sd"),
        (("--push_blocks", "mid"), ("--push", "vsf"), "sd"),
        (("--push_start", 0.5), ("--push", "vsf"), "sd"),
        (("--push_end", 0.5), ("--push", "vsf"), "sd"),
        (("--push_compat",), ("--push", "vsf", "--push_scale", 3.5), "sd3"),
        (("--push_pooled", 3), ("--push", "vsf"), "flux"),
        (("--push_only_at_cfg_1",), ("--push", "vsf", "--guidance_scale", 4), "sd"),
    ],
    ids=lambda given: " ".join(map(str, given)) if isinstance(given, tuple) else given,
)
def test_a_flag_of_the_push_draws_another_picture_without_any_oracle(flags, others, kind, tmp_path):
    def load(*_):
        return KINDS_OF[kind](), None

    runs = [
        Run(tmp_path / name, *STATIC, *others, *more, load_pipeline=load, question=())
        for name, more in (("before", ()), ("after", flags))
    ]
    assert [run.status for run in runs] == [0, 0] and runs[0].pictures() != runs[1].pictures()
    assert runs[0].record()["oracle"] == "" and runs[0].record()["failure"] is None
    again = Run(tmp_path / "again", "--replay", tmp_path / "after" / "record.json", load_pipeline=load, question=())
    assert again.pictures() == runs[1].pictures()


@shows("--max_sequence_length")
def test_a_t5_reads_as_many_tokens_as_it_is_told(tmp_path):
    def load(*_):
        return KINDS_OF["flux"](), None

    short, long = (
        Run(tmp_path / str(length), "--max_sequence_length", length, load_pipeline=load, question=()) for length in (16, 32)
    )
    assert short.pictures() != long.pictures()
    assert Run(tmp_path / "none", "--max_sequence_length", 0, question=()).err.startswith(
        "vlm-negative: max_sequence_length: 0"
    )


def test_what_a_model_has_not_is_said_and_the_picture_comes(tmp_path):
    run = Run(tmp_path / "a", *STATIC, "--push", "vsf", "--push_blocks", "up.9", question=())
    assert run.status == 0 and "The guide stopped: step 0: push_blocks: 'up.9' does not exist" in run.out
    assert run.pictures() == Run(tmp_path / "plain", *STATIC, question=()).pictures()


def test_at_one_step_the_negative_prompt_pushes_and_a_question_is_told_why_not(tmp_path):
    eye = Eye()
    run = Run(tmp_path / "a", *STATIC, "--push", "vsf", "--steps", 1, eye=eye)
    assert eye.asks == 0 and "The guide: nothing is asked: in a run of this length (1)" in run.out
    assert run.pictures() != Run(tmp_path / "plain", *STATIC, "--steps", 1, question=()).pictures()


@shows("--log_negatives")
def test_negatives_are_logged_as_the_reference_program_does(tmp_path):
    quiet = Run(tmp_path / "quiet", *EACH, eye=Eye(lambda picture, ask, row: ("sculpture", "", "statue")[ask]))
    told = Run(tmp_path / "told", "--log_negatives", *EACH, eye=Eye(lambda picture, ask, row: ("sculpture", "", "statue")[ask]))
    assert quiet.out.splitlines() == [str(tmp_path / "quiet" / "out" / "seed_0.png")]
    assert told.out.splitlines() == [
        "[Step 0] Added to negatives: 'sculpture'",
        "[Step 0] Accumulated negatives: sculpture",
        "[Step 2] Added to negatives: 'statue'",
        "[Step 2] Accumulated negatives: sculpture, statue",
        str(tmp_path / "told" / "out" / "seed_0.png"),
    ]


@shows("--save_intermediate", "--intermediate_dir")
def test_x0_is_saved_under_the_reference_programs_names(tmp_path):
    without = Run(tmp_path / "without", question=())
    run = Run(tmp_path, "--save_intermediate", "--intermediate_dir", tmp_path / "seen", question=())
    timesteps = [f"{float(timestep):.4f}" for timestep in run.pipe.scheduler.timesteps]
    assert timesteps == ["999.0000", "749.0000", "499.0000", "249.0000"]
    names = [f"seen/step_{step:03d}_t_{timestep}.png" for step, timestep in enumerate(timesteps)]
    assert [name for name in run.files() if name.startswith("seen/")] == names
    assert not [name for name in without.files() if "step_" in name]
    batch = Run(tmp_path / "batch", "--save_intermediate", "--batch", 2, question=())
    assert "x0/step_000_t_999.0000_image_1.png" in batch.files()


@shows("--record", "--replay")
@pytest.mark.parametrize("batch", [1, 2])
def test_a_record_is_replayed_bit_for_bit_without_an_oracle(batch, tmp_path):
    flags = ("--batch", batch, "--seed", 4, "--negative_prompt", "red", "--prompt", "a cat", "--guidance_scale", 6)
    drawn = Run(tmp_path / "drawn", *flags, eye=Eye(lambda picture, ask, row: KINDS[ask + row]))
    assert Image.open(tmp_path / "drawn" / "record.png").size[0] > 100
    replayed = Run(tmp_path / "again", "--replay", tmp_path / "drawn" / "record.json", eye=Eye(), question=())
    assert replayed.eye.asks == 0
    assert replayed.bytes() == drawn.bytes()
    assert list(replayed.pictures()) == [f"seed_{4 + index}.png" for index in range(batch)]
    assert replayed.pictures() != Run(tmp_path / "plain", *flags, question=()).pictures()


def test_without_a_record_none_is_written(tmp_path):
    assert Run(tmp_path, eye=Eye(), record=False).files() == ["out/seed_0.png"]


def test_the_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["every"]["minimum"] == 1


@shows("--grow")
def test_what_clip_does_not_read_at_once_takes_a_chunk_more(tmp_path):
    run = Run(tmp_path, "--negative_prompt", "red " * 75, "--grow", eye=Eye(once))  # as many tokens as CLIP reads at once
    assert run.record()["timelines"] == ["1:+dog"] and run.record()["failure"] is None and run.record()["reached"] == [3]


@shows("--weight")
def test_emphasis_is_refused_in_one_line(tmp_path):
    run = Run(tmp_path, "--weight", 1.3, eye=Eye(once))
    assert (
        run.status == 2 and run.err == "vlm-negative: weight: 1.3 is emphasis, which diffusers does not read; leave it at 1\n"
    )


@shows("--push_batch")
def test_what_separate_evaluates_beside_in_one_call_or_each(tmp_path):
    flags = ("--push", "separate", "--guidance_scale", 1, "--push_batch")
    one, each = (Run(tmp_path / how, *flags, how, eye=Eye(once)) for how in ("one", "each"))
    assert [run.record()["settings"]["push_batch"] for run in (one, each)] == ["one", "each"]
    assert one.record()["extra_calls"] == each.record()["extra_calls"] == 6
