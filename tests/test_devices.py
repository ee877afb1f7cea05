from contextlib import nullcontext

import pytest
import torch

from lib_vlmneg import devices
from lib_vlmneg.devices import DTYPES, autocast, best_device, best_dtype, bfloat16, lighten, read_places, widened
from lib_vlmneg.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", ["abacus", "cuda:77", ""])
def test_a_device_that_is_not_there_is_bad_input(wanted):
    with pytest.raises(InputError, match=rf"^device: '{wanted}'"):
        best_device(wanted)


def test_auto_is_a_device_that_computes():
    assert torch.ones(2, device=best_device()).sum() == 2
    assert best_device("cpu") == CPU


@pytest.mark.parametrize("wanted", DTYPES)
def test_a_dtype_by_name(wanted):
    assert best_dtype(wanted, CPU) is getattr(torch, wanted)


def test_an_unknown_dtype_is_bad_input():
    with pytest.raises(InputError, match=r"^dtype: 'int8' .*auto, float32"):
        best_dtype("int8", CPU)


def test_full_precision_needs_no_autocast():
    assert isinstance(autocast(CPU, torch.float32), nullcontext)
    with autocast(CPU, torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("fastest", "computed"), [("bfloat16", torch.bfloat16), ("float16", torch.float32), ("float32", torch.float32)]
)
def test_bfloat16_is_taken_where_it_is_the_fastest_and_float16_never(monkeypatch, fastest, computed):
    monkeypatch.setattr(devices, "best_dtype", lambda wanted, device: DTYPES[fastest])
    with bfloat16(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == computed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_in_float16_are_wide_inside_and_the_same_bits_afterwards(dtype):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(KeyError), widened(model):
        assert {each.dtype for each in model.parameters()} == {torch.float32 if dtype == torch.float16 else dtype}
        raise KeyError
    after = model.state_dict()
    assert all(after[name].dtype == value.dtype and torch.equal(after[name], value) for name, value in before.items())


def test_places_by_name_of_the_oracle():
    text = "Qwen/Qwen2.5-VL-3B-Instruct cuda:1 float16\n\n  a folder/with spaces  cpu \nminiature auto auto"
    assert read_places(text) == {
        "Qwen/Qwen2.5-VL-3B-Instruct": ("cuda:1", "float16"),
        "a folder/with spaces": ("cpu", "auto"),
        "miniature": ("auto", "auto"),
    }


@pytest.mark.parametrize("line", ["miniature", "cpu", "  x  "])
def test_a_place_without_a_device_is_bad_input(line):
    with pytest.raises(InputError, match=rf"^places: '{line.strip()}' is not a name and a device; write for example"):
        read_places("a cpu\n" + line)


def test_lightened_weights_give_the_numbers_that_autocast_gives():
    torch.manual_seed(0)
    words, linear = torch.nn.Embedding(7, 16), torch.nn.Linear(16, 7)
    linear.weight = words.weight  # as language models tie them
    model = torch.nn.Sequential(words, torch.nn.LayerNorm(16), linear)
    with torch.no_grad(), autocast(torch.device("cpu"), torch.bfloat16):
        before = model(torch.arange(7))
        assert torch.equal(lighten(model, torch.bfloat16)(torch.arange(7)), before)
    assert linear.weight.dtype == linear.bias.dtype == torch.bfloat16
    assert words.weight.dtype == model[1].weight.dtype == torch.float32


def test_single_precision_leaves_the_weights_alone():
    linear = torch.nn.Linear(4, 4)
    weight = linear.weight
    assert lighten(linear, torch.float32) is linear and linear.weight is weight
