"""What a push costs: off nothing of ours is called; on, no more model calls than it says and no wait for the device."""

import cProfile
import pstats
from dataclasses import replace

import pytest
from families import FAMILIES, SIZES
from pipelines import OWN

from lib_vlmneg.bench.micro import counted, measure, table
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import PUSHES, Settings

STEPS = 4
DOG = [Timeline({0: ("dog",)})]
NAMES = ("sd", "sd3", "flux", "zimage", "qwenimage", "sana")


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    height, width = SIZES[request.param]
    drawn = Request("a photo of a pet", OWN, steps=STEPS, guidance_scale=4.0, height=height, width=width)
    return request.param, FAMILIES[request.param](), drawn


def counts(pipe, request, push=None, timelines=DOG):
    settings = Settings(enabled=True, steps=(), push=push) if push else Settings()
    with counted(pipe) as found:
        _, record = draw(pipe, request, settings, timelines=timelines if push else ())
    assert record.failure is None
    return found


@pytest.mark.parametrize("push", PUSHES)
def test_a_step_that_does_not_ask_never_waits_for_the_device(case, push):
    name, pipe, request = case
    if push in PUSHES[2:] and name not in ("sd", "sd3", "flux"):
        pytest.skip("refused")
    typed = counts(pipe, replace(request, negative_prompt=f"{OWN}, dog"))
    ours = counts(pipe, request, push)
    assert ours.waits[1:] == typed.waits[1:]  # the first step encodes
    more = 1 if push == "separate" else 0
    assert ours.calls == [count + more for count in typed.calls]


def test_off_nothing_of_the_seam_is_called():
    pipe, profile = FAMILIES["sd"](), cProfile.Profile()
    profile.enable()
    draw(pipe, Request("a photo of a pet", OWN, steps=STEPS, height=16, width=16), Settings())
    profile.disable()
    files = {file for file, _, _ in pstats.Stats(profile).stats}
    seam = ("adapter.py", "attention.py", "control.py", "encode.py", "evaluation.py", "inputs.py")
    ours = {file for file in files if "/lib_vlmneg/push/" in file or ("/hosts/diffusers/" in file and file.endswith(seam))}
    assert any(file.endswith("/hosts/diffusers/run.py") for file in files) and not ours


def test_a_step_without_terms_makes_the_hosts_own_call():
    """As the pipeline called it: the same arguments, no more calls."""
    pipe = FAMILIES["sd"]()
    seen, forward = [], pipe.unet.forward

    def call(*args, **kwargs):
        seen.append(len(args) + len(kwargs))
        return forward(*args, **kwargs)

    pipe.unet.forward = call
    request = Request("a photo of a pet", OWN, steps=STEPS, height=16, width=16, guidance_scale=4.0)
    draw(pipe, request, Settings(enabled=True, steps=(), push="cfg"), timelines=[Timeline({9: ("dog",)})])
    assert len(seen) == STEPS


def test_the_bench_prints_calls_waits_and_time_of_each_push():
    pipe = FAMILIES["sd"]()
    figures = measure(pipe, Request("a photo of a pet", steps=2, height=16, width=16), 1)
    assert [*figures["rows"]] == ["CFG 4.5", "CFG 1"]
    above, at_1 = figures["rows"].values()
    assert [*above] == ["typed", "cfg", "separate", "vsf", "nag", "nasa"] and "cfg" not in at_1
    assert above["separate"]["calls"] == 2 and at_1["separate"]["calls"] == 2 and above["vsf"]["calls"] == 1
    assert all(row["synchronisations"] == 0 for rows in figures["rows"].values() for row in rows.values())
    assert "CFG 1    separate  2.00 calls (typed 1.00), +0.00 synchronisations" in table(figures)
