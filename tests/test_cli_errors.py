"""Bad input: one line that names the field, exit status 2, nothing written."""

import json

import pytest
from commands import Run
from pipelines import Blind, Eye, weights

from lib_vlmneg.cli import main

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
        (("--model", weights() / "vilt"), "model: "),
        (("--tiny_decoder", "/no/such/folder"), "tiny_decoder: '/no/such/folder'"),
        (("--height", 100), "height: 100"),
        (("--height", -8), "height: -8"),
        (("--width", 4), "width: 4"),
        (("--question", ""), "question: "),
        (("--question", "  ", "--question", "Who?"), "question: "),
        (("--vqa_start_step", 3, "--vqa_stop_step", 2), "vqa_start_step: 3"),
        (("--vqa_start_step", 0.5, "--vqa_stop_step", 2), "vqa_start_step: 0.5"),
        (("--vqa_start_step", 4), "vqa_start_step: 4"),
        (("--vqa_stop_step", 1.5), "vqa_stop_step: 1.5"),
        (("--vqa_stop_step", "soon"), "vqa_stop_step: 'soon'"),
        (("--vqa_steps", "1,two"), "vqa_steps: 'two'"),
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
        (("--guidance_scale", 1), "guidance_scale: 1"),
        (("--distilled_guidance", 3), "distilled_guidance: "),
        (("--replay", "/no/such/record.json"), "replay: /no/such/record.json"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_bad_value_is_named_in_one_line(flags, field, tmp_path):
    assert message(Run(tmp_path, *flags, eye=Eye())).startswith(field)


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


RECORDS = {
    "of another version": damaged(lambda body: body.update(version=2)),
    "of another kind": damaged(lambda body: body.update(schema="shopping-list")),
    "cut off": damaged(lambda body: None)[:-20],
    "empty": "",
    "a list": "[]",
    "without its timelines": damaged(lambda body: body.pop("timelines")),
    "with a broken timeline": damaged(lambda body: body.update(timelines=["1:dog"])),
    "with fewer timelines than pictures": damaged(lambda body: body.update(timelines=[])),
    "with a number as timeline": damaged(lambda body: body.update(timelines=[1])),
    "with settings that are none": damaged(lambda body: body.update(settings="on")),
    "with an unknown setting": damaged(lambda body: body["settings"].update(taste=1)),
    "with a number of steps in words": damaged(lambda body: body["generation"].update(steps="four")),
    "with a prompt that is a number": damaged(lambda body: body["generation"].update(prompt=4)),
    "with a size that is a text": damaged(lambda body: body["generation"].update(height="tall")),
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_cannot_be_replayed_says_why(what, tmp_path):
    path = tmp_path / "given.json"
    path.write_text(RECORDS[what])
    out = tmp_path / "run"
    status = Replayed(out, path)
    said = message(status)
    assert said.startswith(f"replay {path}: ")
    if what == "of another version":
        assert "version 2" in said


class Replayed(Run):
    """A replay with nothing else on the command line: all the rest comes from the record."""

    def __init__(self, folder, path):
        self.folder, self.eye = folder, Eye()
        from commands import load_once

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
