"""Records of version 1: a replay says where its picture comes out otherwise, and nothing where it does not."""

from dataclasses import replace

import pytest
from pipelines import OWN, sd, sd3, sdxl

from lib_vlmneg.hosts.diffusers.older import differs
from lib_vlmneg.record import Record, Timeline
from lib_vlmneg.settings import Settings

LONG = ", ".join(["red background, lowres, house, tree, flat picture"] * 8)


def record(negatives=(OWN,), changes=None, dtype="float32", **settings):
    timelines = [Timeline(changes or {1: ("dog",)}) for _ in negatives]
    prompts = ("a photo of a pet",) * len(negatives)
    held = Settings(enabled=True, steps=(), **settings).to_dict()
    return Record(held, prompts, negatives, timelines, {"dtype": dtype}, version=1)


@pytest.mark.parametrize(
    ("build", "given", "said"),
    [
        (sd, {}, None),
        (sd, {"changes": {0: ("dog",)}}, "its terms were not in force in the first step, as they are now"),
        (sd, {"changes": {0: ("dog",)}, "push": "separate"}, None),
        (sd, {"push": "separate", "dtype": "bfloat16"}, "a separate push is now rounded in another place"),
        (sd, {"dtype": "bfloat16"}, None),
        (sd, {"negatives": (LONG,)}, "its negative prompt was cut after 75 tokens; now all of it is read"),
        (sd3, {"negatives": (LONG,)}, None),
        (sdxl, {"negatives": ("",)}, "its empty negative prompt was encoded, where diffusers has zeros for it"),
        (sd, {"negatives": ("",)}, None),
        (sd, {"weight": 1.5}, "its terms had brackets for their weight"),
    ],
)
def test_what_comes_out_otherwise_is_said(build, given, said):
    found = differs(build(), record(**given))
    assert found is None if said is None else found.startswith(said)


def test_a_record_of_this_version_says_nothing():
    assert differs(sd(), replace(record(changes={0: ("dog",)}), version=2)) is None


def test_the_version_of_a_record_is_read():
    old = record().to_json().replace('"version": 2', '"version": 1')
    assert Record.from_json(old).version == 1 and Record.from_json(record().to_json()).version == 2
