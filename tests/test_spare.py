"""A GPU without memory left: the oracle goes to the CPU, once; after that the guide goes on without it."""

import pytest
import torch
from PIL import Image

from lib_vlmneg.guide import Guide
from lib_vlmneg.oracles import spare
from lib_vlmneg.oracles.base import Answer, Oracle
from lib_vlmneg.oracles.cached import Cached
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings

GREY = Image.new("RGB", (8, 8), "grey")
FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Greedy(Oracle):
    """Does not fit on its device; answers on the CPU if `fits`."""

    name, input_side = "greedy", 8

    def __init__(self, fits=True, error=FULL, device="cuda"):
        self.on, self.fits, self.error, self.asked = device, fits, error, 0

    def ask(self, images, questions, topk):
        self.asked += 1
        if self.on != "cpu" or not self.fits:
            raise self.error
        return [[[Answer("dog")] for _ in questions] for _ in images]

    def move(self, device):
        self.on = device
        return True


@pytest.mark.parametrize("error", [FULL, RuntimeError("the worker of it: OutOfMemoryError: CUDA out of memory.")])
def test_it_is_asked_once_more_on_the_cpu_and_stays_there(error, caplog):
    oracle = Cached(Greedy(error=error))
    assert spare.ask(oracle, [GREY], ["what?"], 1) == [[[Answer("dog")]]]
    assert oracle.oracle.asked == 2 and oracle.oracle.on == "cpu"
    assert caplog.messages == ["VLM Negative: the GPU has no memory left for greedy, which goes on on the CPU"]
    spare.ask(oracle, [GREY], ["and now?"], 1)
    assert oracle.oracle.asked == 3


@pytest.mark.parametrize("oracle", [Greedy(fits=False), Greedy(error=ValueError("no"))])
def test_what_does_not_help_is_said(oracle):
    with pytest.raises(type(oracle.error)):
        spare.ask(oracle, [GREY], ["what?"], 1)
    assert oracle.asked == (2 if oracle.error is FULL else 1)


def test_one_that_cannot_move_says_what_it_said():
    oracle = Greedy()
    oracle.move = lambda device: False
    with pytest.raises(torch.cuda.OutOfMemoryError, match="Tried to allocate"):
        spare.ask(oracle, [GREY], ["what?"], 1)


def test_it_is_loaded_on_the_cpu_where_it_does_not_fit():
    def make(device):
        if device == "cuda":
            raise FULL
        return device

    assert spare.load("greedy", make, "cuda") == "cpu"
    with pytest.raises(torch.cuda.OutOfMemoryError):
        spare.load("greedy", lambda device: (_ for _ in ()).throw(FULL), "cpu")


@pytest.mark.parametrize("fits", [True, False])
def test_the_guide_goes_on_with_it_or_without_it(fits):
    oracle = Greedy(fits)
    guide = Guide(Settings(enabled=True, steps=()), Clock(4, 4), ["a pet"], [""], oracle, lambda x0: [GREY] * len(x0))
    for call in range(4):
        guide.negatives(call)
        guide.observe(call, None, torch.zeros(1, 4, 1, 1))
    assert guide.record.terms(0) == (("dog",) if fits else ())
    assert ("out of memory" in (guide.record.failure or "")) is not fits
