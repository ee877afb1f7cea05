"""Bad input: one line that names the field, exit status 2, nothing written."""

import json

import pytest
from commands import Run, load_once
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from pipelines import Blind, Eye, weights
from transformers.utils import logging as transformers_logging

from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers import load_pipeline

REAL = None  # the oracle is really loaded


def message(run):
    """The one line on stderr, after checking that it is alone and that no file came of the run."""
    assert run.status == 2, run.err
    assert run.out == ""
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith("vlm-negative: ")
    assert [name for name in run.files() if not name.startswith("given")] == []
    return run.err.removeprefix("vlm-negative: ").strip()


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (("--model", "/no/such/folder"), "model: '/no/such/folder'"),
        (("--tiny_decoder", "/no/such/folder"), "tiny_decoder: '/no/such/folder'"),
        (("--height", 100), "height: 100"),
        (("--height", -8), "height: -8"),
        (("--width", 4), "width: 4"),
        (("--question", ""), "question: question 2 is empty"),
        (("--question", "  ", "--question", "Who?"), "question: question 2 is empty"),
        (("--vqa_start_step", 3, "--vqa_stop_step", 2), "vqa_start_step: 3"),
        (("--vqa_start_step", 0.5, "--vqa_stop_step", 2), "vqa_start_step: 0.5 is not before stop 2 in a run of 4 steps"),
        (("--vqa_start_step", 4), "vqa_start_step: 4 is not before stop 1.0 in a run of 4 steps"),
        (("--vqa_stop_step", 1.5), "vqa_stop_step: '1.5' is not a share"),
        (("--vqa_stop_step", "soon"), "vqa_stop_step: 'soon'"),
        (("--vqa_steps", "1,two"), "vqa_steps: 'two'"),
        (("--vqa_steps", "5, 3"), "vqa_steps: 5 is not before 3; write them in order"),
        (("--vqa_steps", "4/3"), "vqa_steps: '4/3' is not a share from 0 to 1; write one as 1/3, or a step in digits"),
        (("--vqa_steps", "1/0"), "vqa_steps: '1/0' divides by 0; write a share as 1/3"),
        (
            ("--vqa_steps", "0, 1/3, 4"),
            "vqa_steps: 4 is no step of a run of 4; leave it out, or say with steps_of what it is of",
        ),
        (("--vqa_steps", "8", "--steps_of", "8"), "vqa_steps: 8 is no step of a run of 8; make steps_of larger, or 0"),
        (("--preset", "Plastic"), "preset: 'Plastic' is not one of Default; Paper; Creative; Safety; Declutter; "),
        (("--steps", 0), "steps: 0"),
        (("--batch", 0), "batch: 0"),
        (("--seed", -1), "seed: -1"),
        (("--device", "abacus"), "device: 'abacus'"),
        (("--dtype", "float7"), "dtype: 'float7'"),
        (("--accumulate", "sometimes"), "accumulate: 'sometimes'"),
        (("--decode", "crystal"), "decode: 'crystal'"),
        (("--decode", "approximate"), "decode: 'approximate'"),
        (("--freq", 0), "freq: 0"),
        (("--topk", "many"), "topk: 'many'"),
        (("--weight", "nan"), "weight: 'nan'"),
        (("--guidance_scale", 1), "guidance_scale: at 1 a"),
        (("--distilled_guidance", 3), "distilled_guidance: "),
        (("--remotes", "/no/such/file.json"), "remotes: /no/such/file.json cannot be read"),
        (("--replay", "/no/such/record.json"), "replay: /no/such/record.json"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_bad_value_is_named_in_one_line(flags, field, tmp_path):
    assert message(Run(tmp_path, *flags, eye=Eye())).startswith(field)


def test_a_folder_that_is_no_model_is_named_in_one_line(tmp_path):
    assert message(Run(tmp_path, "--model", weights() / "vilt", eye=Eye())).startswith(f"model: '{weights()}/vilt' cannot")


def test_reading_the_models_says_nothing(tmp_path):
    diffusers_logging.enable_progress_bar()
    transformers_logging.enable_progress_bar()
    run = Run(tmp_path, "--oracle_id", weights() / "vilt", "--height", 100, load_pipeline=load_pipeline)
    assert message(run).startswith("height: 100")


@pytest.mark.parametrize("folder", ["/no/such/folder", "."])
def test_a_missing_oracle_is_named_in_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message(Run(tmp_path, "--oracle_id", folder, eye=REAL)).startswith(f"oracle: '{folder}'")


def damaged(change):
    """A record, changed, as text."""
    body = {
        "schema": "vlm-negative-record", "version": 1, "oracle": "scripted", "settings": {"enabled": True},
        "generation": {"prompt": "a pet", "steps": 4, "seed": 0, "batch": 1}, "prompts": ["a pet"], "negatives": [""],
        "timelines": ["1:+dog"], "events": [], "timings": [], "failure": None,
    }  # fmt: skip
    change(body)
    return json.dumps(body)


def at(name):
    return f"replay: the record is damaged at {name}: "


RECORDS = {  # what is wrong with it: the file, and how the message begins
    "another version": (damaged(lambda body: body.update(version=3)), "replay {path}: the record has version 3"),
    "another kind": (damaged(lambda body: body.update(schema="shopping-list")), "replay {path}: this is no record"),
    "cut off": (damaged(lambda body: None)[:-20], "replay {path}: this is no record"),
    "empty": ("", "replay {path}: this is no record"),
    "a list": ("[]", "replay {path}: this is no record"),
    "no timelines": (damaged(lambda body: body.pop("timelines")), "replay {path}: the record is damaged at 'timelines'"),
    "a broken timeline": (damaged(lambda body: body.update(timelines=["1:dog"])), "timeline: '1:dog'"),
    "too few timelines": (damaged(lambda body: body.update(timelines=[])), "replay {path}: the record is damaged at timelines"),
    "a number for a timeline": (damaged(lambda body: body.update(timelines=[1])), "replay {path}: the record is damaged"),
    "settings that are none": (damaged(lambda body: body.update(settings="on")), "replay {path}: the record is damaged"),
    "an unknown setting": (damaged(lambda body: body["settings"].update(taste=1)), "'taste': there is no such setting"),
    "steps in words": (damaged(lambda body: body["generation"].update(steps="four")), at("steps")),
    "a number for a prompt": (damaged(lambda body: body["generation"].update(prompt=4)), at("prompt")),
    "a text for a size": (damaged(lambda body: body["generation"].update(height="tall")), at("height")),
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_cannot_be_replayed_says_why(what, tmp_path):
    path, (text, begins) = tmp_path / "given.json", RECORDS[what]
    path.write_text(text)
    assert message(Replayed(tmp_path / "run", path)).startswith(begins.format(path=path))


class Replayed(Run):
    """A replay with nothing else on the command line: all the rest comes from the record."""

    def __init__(self, folder, path):
        self.folder, self.eye = folder, Eye()
        self._run(["--replay", path, "--output_dir", folder / "out"], load_once)


def test_a_whole_record_of_that_kind_is_replayed(tmp_path):
    body = json.loads(damaged(lambda body: body["generation"].update(model=str(weights()), height=32, width=32)))
    (tmp_path / "given.json").write_text(json.dumps(body))
    run = Replayed(tmp_path / "run", tmp_path / "given.json")
    assert (run.status, run.files()) == (0, ["out/seed_0.png"]), run.err


def test_a_folder_is_no_record(tmp_path):
    assert message(Run(tmp_path, "--replay", tmp_path)).startswith(f"replay: {tmp_path} cannot be read")


def test_a_record_of_two_pictures_is_not_replayed_as_three(tmp_path):
    Run(tmp_path / "given", "--batch", 2, eye=Eye())
    run = Run(tmp_path / "run", "--replay", tmp_path / "given" / "record.json", "--batch", 3, question=())
    assert message(run).startswith("batch: 3")


def test_an_output_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "given").write_text("")
    assert message(Run(tmp_path, "--output_dir", tmp_path / "given", eye=Eye())).startswith("output_dir: ")


def test_a_record_is_not_put_where_its_contact_sheet_goes(tmp_path):
    assert message(Run(tmp_path, "--record", tmp_path / "sheet.png", eye=Eye())).startswith("record: ")


def test_a_failing_oracle_costs_no_picture_and_is_told_once(tmp_path):
    run = Run(tmp_path / "blind", eye=Blind())
    plain = Run(tmp_path / "plain", question=())
    assert run.status == 0
    assert run.pictures() == plain.pictures()
    assert run.out.count("no eyes") == 1
    assert run.record()["failure"] == "step 0: RuntimeError: no eyes"


@pytest.mark.parametrize("flags", [["--steps", "four"], ["--question"], ["--no_such_flag"]])
def test_what_the_parser_refuses_has_status_2_as_well(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["generate", *flags])
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err.splitlines()[-1]


def test_a_failure_is_in_the_record_the_pictures_parameters_and_the_log(tmp_path, caplog):
    run = Run(tmp_path, eye=Blind())
    said = run.record()["failure"]
    assert said == "step 0: RuntimeError: no eyes" and said in caplog.text and f"The guide stopped: {said}" in run.out
    picture = Image.open(tmp_path / "out" / "seed_0.png")
    assert f'VLM Negative note: "{said}"' in picture.text["parameters"]
