"""From negative prompts to the tensors of a denoiser callback, on a stand-in of a host's encoder."""

from types import SimpleNamespace

import pytest
import torch
from fakes import within_a_host

with within_a_host():
    from lib_vlmneg.hosts.webui import conditioning, host, memory
    from lib_vlmneg.hosts.webui.conditioning import Encoder, swapped


class Model:
    """Encodes a text to as many tokens as it has words; `texts` lists what it was asked to encode together."""

    def __init__(self, listed=False):
        self.encoded, self._listed = [], listed

    def get_learned_conditioning(self, texts):
        self.encoded.append(list(texts))
        rows = [torch.full((max(1, len(text.split())), 2), float(len(text))) for text in texts]
        return rows if self._listed else torch.stack(rows)


@pytest.fixture
def model(monkeypatch):
    shared = SimpleNamespace(sd_model=Model(), opts=SimpleNamespace(emphasis="Original"))
    for module in (host, conditioning):
        monkeypatch.setattr(module, "shared", shared)
    monkeypatch.setattr(conditioning.prompt_parser, "SdConditioning", lambda texts, **_: texts, raising=False)
    monkeypatch.setattr(host, "prompt_steps", lambda p, denoiser: (8, None))
    monkeypatch.setattr(memory, "_sampling_prepare", lambda: None)
    return shared


def encoder():
    p = SimpleNamespace(width=64, height=64)
    return Encoder(p, SimpleNamespace(step=0), torch.zeros(1, 4, 8, 8))


def test_a_set_of_texts_is_encoded_once_and_the_last_two_are_kept(model):
    found = encoder()
    for text in ("null", "dog", "null", "cat", "null", "dog"):
        assert found.texts([text], 0)[0].batch["crossattn"].shape == (1, 1, 2)
    assert model.sd_model.encoded == [["null"], ["dog"], ["cat"], ["dog"]]


def test_another_model_encodes_anew(model):
    found = encoder()
    found.texts(["a"], 0)
    model.sd_model = Model()
    assert not found.has(["a"], 0)
    found.texts(["a"], 0)
    assert model.sd_model.encoded == [["a"]]


def test_a_list_of_texts_of_different_length_is_padded_as_the_host_pads_prompts(model):
    """Neo's language models: the last token is repeated."""
    model.sd_model = Model(listed=True)
    batch = encoder().texts(["one two three", "four"], 0)[0].batch["crossattn"]
    assert batch[:, :, 0].tolist() == [[13.0] * 3, [4.0] * 3]


def rows(*values, tokens=3):
    return torch.tensor(values)[:, None, None].expand(-1, tokens, 2)


def test_only_the_rows_of_the_images_that_are_named_are_swapped():
    own, new = rows(1.0, 2.0), rows(3.0, 4.0)
    assert swapped(own, {"crossattn": new}, {1})[:, 0, 0].tolist() == [1.0, 4.0]
    both = {"crossattn": own, "vector": own[:, 0], "more": 7}
    found = swapped(both, {"crossattn": new, "vector": new[:, 0]}, {0})
    assert found["crossattn"][:, 0, 0].tolist() == found["vector"][:, 0].tolist() == [3.0, 2.0] and found["more"] == 7
    assert torch.equal(both["crossattn"], own)


def test_where_the_new_texts_are_longer_all_rows_are_the_new_ones():
    own, new = rows(1.0, 2.0), rows(3.0, 4.0, tokens=6)
    assert swapped(own, {"crossattn": new}, {1}).shape == new.shape
    found = swapped({"crossattn": own, "vector": own[:, 0]}, {"crossattn": new, "vector": new[:, 0]}, {1})
    assert found["crossattn"].shape == new.shape and found["vector"][:, 0].tolist() == [3.0, 4.0]
