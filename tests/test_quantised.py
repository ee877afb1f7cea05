"""Weights in 8 or 4 bits by bitsandbytes, where it is; one line where it is not."""

from importlib.util import find_spec

import pytest
import tiny_vlms
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.miniature import VILT
from lib_vlmneg.oracles import loading
from lib_vlmneg.oracles.registry import load

needed = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="no bitsandbytes")
PICTURE = Image.open(VILT.parents[3] / "docs" / "demo.png").convert("RGB").resize((128, 128))
ASKED = ([PICTURE], ["What is the main object in this image?"], 2)


def test_without_bitsandbytes_it_is_bad_input(monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^dtype: int8 needs bitsandbytes and accelerate, not here; install it, or choose"):
        load(str(VILT), "cpu", "int8")


@needed
@pytest.mark.parametrize("model", [tiny_vlms.llava, tiny_vlms.blip])
@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_a_model_answers_from_fewer_bits(tmp_path, monkeypatch, model, bits):
    monkeypatch.setitem(tiny_vlms.LAYERS, "hidden_size", 128)  # 4 bits come in blocks of 64
    if model is tiny_vlms.blip and bits == "int4":
        pytest.skip("the tiny BLIP's widths are no multiples of 64")
    folder = str(model(tmp_path))
    full, small = load(folder, "cpu", "float32"), load(folder, "cpu", bits)
    assert size(small) < size(full) / 2
    assert len(small.ask(*ASKED)[0][0]) == 2
    assert not small.move("cpu") and full.move("cpu")


@needed
@pytest.mark.skipif(not VILT.is_dir(), reason="the weights are not trained yet")
def test_the_miniature_sees_the_same_in_8_bits():
    full, small = (load(str(VILT), "cpu", dtype).ask(*ASKED)[0][0] for dtype in ("float32", "int8"))
    assert [answer.text for answer in small] == [answer.text for answer in full]
    assert small[0].score == pytest.approx(full[0].score, abs=0.02)


def size(oracle):
    return sum(each.numel() * each.element_size() for each in oracle.model.parameters())
