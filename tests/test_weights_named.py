"""A record names the weights that drew it, and a replay on others says so."""

import json

from safetensors.torch import save_file
from torch import zeros

from lib_vlmneg.cli import main
from lib_vlmneg.hosts.diffusers.weights import other_weights, sha256


def test_the_hash_is_of_what_draws_and_changes_with_it(tmp_path):
    for part, value in (("unet", 0.0), ("vae", 1.0), ("vilt", 2.0)):
        (tmp_path / part).mkdir()
        save_file({"weight": zeros(2) + value}, tmp_path / part / "model.safetensors")
    before = sha256(tmp_path)
    assert len(before) == 64
    save_file({"weight": zeros(2) + 5}, tmp_path / "vilt" / "model.safetensors")
    assert sha256(tmp_path) == before
    save_file({"weight": zeros(2) + 5}, tmp_path / "unet" / "model.safetensors")
    assert sha256(tmp_path) != before
    assert sha256(tmp_path / "nowhere") is None and sha256("someone/on-the-hub") is None


def test_other_weights_are_told_and_the_same_or_unknown_are_not():
    assert other_weights("a" * 64, "b" * 64).startswith(
        "The record was drawn by other weights (aaaaaaaaaaaa, here are bbbbbbbbbbbb)"
    )
    for pair in (("a" * 64, "a" * 64), (None, "a" * 64), ("a" * 64, None)):
        assert other_weights(*pair) is None


def test_a_record_names_the_weights_and_a_replay_on_others_says_so(tmp_path, capsys):
    record = tmp_path / "record.json"
    given = ["generate", "--steps", "3", "--vqa_steps", "0", "--question", "auto", "--output_dir", str(tmp_path)]
    assert main([*given, "--record", str(record)]) == 0
    body = json.loads(record.read_text())
    from lib_vlmneg.miniature import WEIGHTS

    assert body["generation"]["weights"] == sha256(WEIGHTS)
    assert main(["generate", "--replay", str(record), "--output_dir", str(tmp_path)]) == 0
    assert "other weights" not in capsys.readouterr().out
    body["generation"]["weights"] = "0" * 64
    record.write_text(json.dumps(body))
    assert main(["generate", "--replay", str(record), "--output_dir", str(tmp_path)]) == 0
    assert "drawn by other weights (000000000000" in capsys.readouterr().out
