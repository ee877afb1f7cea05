"""A vocabulary, and the final check, in a genuine host: a stand-in takes NudeNet's place, which never minds a drawing.

Another checkpoint than the miniature is taken to draw noise: there an item counts however unlikely the oracle finds it.
"""

import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from .server import Server, as_text

HERE = Path(__file__).parent
FOUND, CHECK, SCALE = "VLM Negative found", "VLM Negative check", "VLM Negative push scale"
RANDOM = bool(os.environ.get("WEBUI_CHECKPOINT"))  # weights that draw nothing that is surely there, in however many steps
UNSURE = {"min_score": 1e-4} if RANDOM else {}
BATCH = {"prompt": "a warrior fruit", "steps": 4 if RANDOM else 10, "batch_size": 2, "seed": 11}
SPOTS = {"vocabulary": "apple, balloon, hat", "push": "separate", "mode": "replace", **UNSURE}
AGAIN = {"check": "nudenet", "redraws": 2, **SPOTS}
# of a checkout without a remote, as the host lists its extensions (extensions.py:174)
GIT = re.compile(r"\*\*\* Failed reading extension data from Git repository.*?\n---\n", re.DOTALL)
UNSAFE = "unsafe: BUTTOCKS_EXPOSED 0.81"


@pytest.fixture(scope="module")
def safety(checkpoint, tmp_path_factory):
    """A host with the stand-in, a folder of vocabularies and one of records."""
    folder = tmp_path_factory.mktemp("safety")
    vocabularies = folder / "models" / "VLM" / "vocabularies"
    vocabularies.mkdir(parents=True)
    (vocabularies / "mine.yaml").write_text("items: [apple, balloon]\nprefix: Danger\n")
    (vocabularies / "torn.yaml").write_text("items: [apple")
    (folder / "outside.json").write_text('["apple"]')
    (folder / "left").write_text("0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE / "stand_in"), os.environ.get("PYTHONPATH")])))
        patch.setenv("STAND_IN", str(folder / "left"))
        options = {"vlm_negative_folder": str(folder / "records"), "save_images_add_number": True}
        with Server(folder, checkpoint, options=options.items()) as server:
            yield server


def unsafe(server, times):
    (server.folder / "left").write_text(str(times))


def records(server):
    """The records that were written, by name without the time, and away with them."""
    paths = sorted((server.folder / "records").glob("*.json"))
    found = {path.stem.split("-", 3)[3]: json.loads(path.read_text()) for path in paths}
    for path in paths:
        path.unlink()
    return found


def test_what_is_spotted_is_pushed_away_and_reported_with_its_step(safety):
    records(safety)
    plain = safety.draw(**BATCH)
    drawn = safety.guided(changes=BATCH, **SPOTS)
    assert drawn.note is None and drawn.pixels != plain.pixels
    [record] = records(safety).values()
    for number, told in enumerate(drawn.parameters[FOUND]):
        seen = [each for each in record["events"] if each["image"] == number and each["found"]]
        assert told == "|".join(f"{each['step']}:{','.join(each['found'])}" for each in seen) and seen
        assert f'"{told}"' in drawn.info["infotexts"][number]
    assert {question for each in record["events"] for question in each["questions"]} == {
        f"Is there {item} in the image?" for item in ("an apple", "a balloon", "a hat")
    }
    again = safety.guided(changes=BATCH, **SPOTS | {"vocabulary": "away", "oracle": "nowhere"}, replay=drawn.timelines)
    assert again.pixels == drawn.pixels and FOUND not in again.parameters


@pytest.mark.parametrize("name", ["mine", "mine.yaml"])
def test_a_users_own_list_brings_its_prefix(safety, name):
    drawn = safety.guided(changes=BATCH, vocabulary=name, **UNSURE)
    assert drawn.note is None and drawn.parameters["VLM Negative prefix"] == "Danger"
    again = safety.guided(changes=BATCH, prefix="Danger", oracle="nowhere", replay=drawn.timelines)
    assert again.pixels == drawn.pixels
    bare = safety.guided(changes=BATCH, oracle="nowhere", replay=drawn.timelines)
    assert bare.pixels != drawn.pixels


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torn", "vocabulary torn: cannot be read as YAML"),
        ("nowhere", "vocabulary: 'nowhere' is neither a preset (safety, body, violence) nor a file in"),
        ("../../outside", "vocabulary: '../../outside' is neither a preset"),
        ("OUTSIDE", "is neither a preset"),
        ("apple, (hat:2)", "vocabulary: '(hat:2)' is no item"),
    ],
)
def test_a_wrong_vocabulary_is_one_line_and_the_plain_picture_comes(safety, name, said):
    name = str(safety.folder / "outside.json") if name == "OUTSIDE" else name
    records(safety)
    drawn = safety.guided(changes=BATCH, vocabulary=name)
    assert said in drawn.note and len(drawn.note.splitlines()) == 1
    assert drawn.pixels == safety.draw(**BATCH).pixels and FOUND not in drawn.parameters and records(safety) == {}


@pytest.mark.parametrize("weight", [-1, "strong"])
def test_a_wrong_weight_is_one_line(safety, weight):
    drawn = safety.guided(changes=BATCH, **SPOTS, push_scale=weight)
    assert drawn.note.startswith("push_scale: ") and drawn.pixels == safety.draw(**BATCH).pixels


def test_the_check_only_writes_down_what_it_sees(safety):
    records(safety)
    without = safety.guided(changes=BATCH, **SPOTS)
    records(safety)
    unsafe(safety, 1)
    drawn = safety.guided(changes=BATCH, check="nudenet", **SPOTS)
    assert drawn.pixels == without.pixels and drawn.parameters[CHECK] == [UNSAFE, "safe"]
    [record] = records(safety).values()
    assert [each["unsafe"] for each in record["generation"]["checks"][0]] == [True, False]
    assert f'{CHECK}: "{UNSAFE}"' in drawn.info["infotexts"][0] and f"{CHECK}: safe" in drawn.info["infotexts"][1]


def test_an_unsafe_picture_is_drawn_again_alone_and_harder(safety):
    records(safety)
    plain = safety.draw(**BATCH).pixels
    harder = safety.guided(changes=BATCH | {"batch_size": 1}, **SPOTS, push_scale=16.875)
    once = safety.guided(changes=BATCH, **SPOTS)
    records(safety)
    unsafe(safety, 3)  # the first picture, and both of its re-draws
    drawn = safety.guided(changes=BATCH, **AGAIN)
    assert drawn.note is None
    assert drawn.pixels == [harder.pixels[0], once.pixels[1]]
    assert drawn.parameters[CHECK] == [f"{UNSAFE}, drawn 3 times", "safe"]
    assert drawn.parameters[SCALE] == ["16.875", "auto"]
    assert drawn.timelines == [harder.timelines[0], once.timelines[1]]
    found = records(safety)
    assert sorted(found) == ["0-first", "0-first-picture-0-again-1", "0-first-picture-0-again-2"]
    assert {record["settings"]["push_scale"] for record in found.values()} == {"auto", 11.25, 16.875}
    replay = {**AGAIN, "push_scale": 16.875, "replay": drawn.timelines[:1], "oracle": "nowhere"}
    unsafe(safety, 9)
    assert safety.guided(changes=BATCH | {"batch_size": 1}, **replay).pixels[0] == drawn.pixels[0]
    assert safety.draw(**BATCH).pixels == plain


def test_several_batches_and_a_variation_are_drawn_again_each_as_itself(safety):
    change = BATCH | {"batch_size": 1, "n_iter": 2, "subseed": 5, "subseed_strength": 0.3, "negative_prompt": "blurry"}
    harder = safety.guided(changes=change, **SPOTS, push_scale=11.25)
    unsafe(safety, 1)
    first = safety.guided(changes=change, **AGAIN)
    plain = safety.guided(changes=change, **SPOTS)
    assert first.pixels == [harder.pixels[0], plain.pixels[1]] and first.note is None


def test_a_hires_picture_is_drawn_again_in_both_passes(safety):
    change = {
        "prompt": "a warrior fruit",
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Latent",
        "denoising_strength": 0.6,
    }
    harder = safety.guided(changes=change, **SPOTS, push_scale=11.25)
    unsafe(safety, 1)
    drawn = safety.guided(changes=change, **AGAIN)
    assert drawn.pixels == harder.pixels and drawn.note is None and drawn.timelines == harder.timelines


def test_in_img2img_it_is_checked_and_not_drawn_again(safety):
    start = as_text(safety.draw(**BATCH | {"batch_size": 1}).images[0])
    change = {"init_images": [start], "denoising_strength": 0.7, "prompt": "a warrior fruit"}
    mask = Image.new("L", (128, 128))
    mask.paste(255, (32, 32, 96, 96))
    for more in ({}, {"mask": as_text(mask), "inpainting_fill": 1}):
        safety.draw("img2img", **change | more)
        unsafe(safety, 9)
        drawn = safety.guided("img2img", change | more, **AGAIN)
        assert drawn.parameters[CHECK] == [UNSAFE] and drawn.note is None


def test_a_check_that_fails_costs_no_picture(safety):
    once = safety.guided(changes=BATCH, **SPOTS)
    (safety.folder / "left").write_text("break")
    drawn = safety.guided(changes=BATCH, **AGAIN)
    unsafe(safety, 0)
    assert "check: RuntimeError: the detector is broken" in drawn.note and drawn.pixels == once.pixels


def test_nothing_is_left_behind(safety):
    assert safety.draw(**BATCH).pixels == safety.draw(ours={"enabled": False}, **BATCH).pixels
    log = GIT.sub("", safety.log.replace("the detector is broken", ""))
    assert "Traceback" not in log.split("VLM Negative cannot check a picture")[0]
