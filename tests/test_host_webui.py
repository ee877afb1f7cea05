"""What is asked of a WebUI and written to it, on stand-ins; the hosts themselves run in tests/webui."""

import sys
import time
from types import SimpleNamespace

import pytest
from fakes import within_a_host

with within_a_host():
    from lib_vlmneg.hosts.webui import history, host, replay
    from lib_vlmneg.record import split_passes

PICTURE = "a pet\nNegative prompt: blurry\nSteps: 20, Seed: 7, Size: 64x64"


def reads(lengths):
    """A model whose host counts so."""
    return SimpleNamespace(get_prompt_lengths_on_ui=lengths)


@pytest.mark.parametrize(
    ("lengths", "chunk"),
    [
        (lambda text: (len(text), 75 * max(1, -(-len(text) // 75))), 75),  # CLIP
        (lambda text: (len(text), max(255, len(text))), 255),  # Forge's T5 (backend/diffusion_engine/flux.py:100)
        (lambda text: (30 + len(text), max(999, 30 + len(text))), 999),  # Neo's language models
        (lambda text: (0, 75), 75),  # what does not count (base.py:53)
        (lambda text: ("?", "?"), 75),
    ],
)
def test_how_much_an_encoder_reads_at_once_is_asked_of_the_host(monkeypatch, lengths, chunk):
    monkeypatch.setattr(host, "shared", SimpleNamespace(sd_model=reads(lengths)))
    assert host.chunk() == chunk


def test_in_automatic1111_the_hijack_counts(monkeypatch):
    hijack = SimpleNamespace(model_hijack=SimpleNamespace(get_prompt_lengths=lambda text: (len(text), 75)))
    monkeypatch.setattr(host, "shared", SimpleNamespace(sd_model=object()))
    monkeypatch.setitem(sys.modules, "modules", SimpleNamespace(sd_hijack=hijack))
    monkeypatch.setitem(sys.modules, "modules.sd_hijack", hijack)
    assert (host.tokens("four"), host.chunk()) == (4, 75)


def parsed(text):
    """As the host reads it, for these texts."""
    prompt, negative, last = text.split("\n")
    return {"Prompt": prompt, "Negative prompt": negative} | dict(part.split(": ", 1) for part in last.split(", "))


@pytest.fixture
def last(monkeypatch, tmp_path):
    """The host's params.txt."""
    monkeypatch.setattr(history, "shared", SimpleNamespace(cmd_opts=SimpleNamespace(no_prompt_history=False)))
    monkeypatch.setattr(history, "paths", SimpleNamespace(data_path=str(tmp_path)))
    monkeypatch.setattr(history, "infotext_utils", SimpleNamespace(parse_generation_parameters=parsed))
    path = tmp_path / "params.txt"
    path.write_text(PICTURE, encoding="utf8")
    return path


def drawn(text):
    """What the host has in the end: a grid, and the picture."""
    return SimpleNamespace(infotexts=["grid", text], index_of_first_image=1)


def test_the_last_parameters_get_the_timeline(last):
    whole = f'{PICTURE}, Schedule type: Karras, VLM Negative timeline: "1:+dog"'
    history.complete(drawn(whole))
    assert last.read_text(encoding="utf8") == whole


@pytest.mark.parametrize(("own", "other"), [("Seed: 7", "Seed: 8"), ("Steps: 20", "Steps: 30"), ("a pet", "a cat")])
def test_those_of_another_picture_stay(last, own, other):
    history.complete(drawn(PICTURE.replace(own, other)))
    assert last.read_text(encoding="utf8") == PICTURE


def test_where_the_host_writes_none_neither_do_we(last):
    last.unlink()
    history.complete(drawn(PICTURE))
    assert not last.exists()
    history.shared.cmd_opts.no_prompt_history = True
    last.write_text(PICTURE, encoding="utf8")
    history.complete(drawn(f"{PICTURE}, VLM Negative timeline: none"))
    assert last.read_text(encoding="utf8") == PICTURE


@pytest.mark.parametrize(
    ("text", "first", "said"),
    [
        ("1:+dog", {1: ("dog",)}, None),
        ("1:+dog|6:-dog", {1: ("dog",), 6: ()}, None),  # cleared at the very end
        ("1:+dog|6:+cat", {1: ("dog",)}, "step 6 is past the end of the run"),
        ("1:+dog|7:-dog", {1: ("dog",)}, "step 7 is past the end of the run"),
        ("1:+dog / 0:+cat", {1: ("dog",)}, "one has a part for a pass that is not there"),
    ],
)
def test_what_a_timeline_has_no_place_for_is_left_out_and_said(text, first, said):
    p = SimpleNamespace(n_iter=1, batch_size=1, steps=6, prompts=["a pet"], negative_prompts=[""])
    assert replay.of_pass(p, [split_passes(text)], 0, False)[0].changes == first
    found = replay.misfit(p, [split_passes(text)])
    assert found == (said and f"timeline: {said}; what has no place here is left out")


def test_a_long_timeline_is_cut_in_no_time():
    p = SimpleNamespace(n_iter=1, batch_size=1, steps=6, prompts=["a pet"], negative_prompts=[""])
    long = [replay.Timeline({step: (f"term {step}",) for step in range(20_000)})]
    begun = time.process_time()
    assert len(replay.of_pass(p, [long], 0, False)[0].changes) == 6
    assert replay.misfit(p, [long]) and time.process_time() - begun < 1
