"""Every oracle keeps the same contract, whatever answers behind it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import tiny_vlms
import torch
from chat_server import sees, serving
from PIL import Image

from lib_vlmneg.miniature import VILT
from lib_vlmneg.oracles.base import Oracle
from lib_vlmneg.oracles.cached import Cached
from lib_vlmneg.oracles.pool import Pool
from lib_vlmneg.oracles.registry import load
from lib_vlmneg.oracles.remote import RemoteOracle
from lib_vlmneg.oracles.remotes import Remote
from lib_vlmneg.oracles.worker import WorkerOracle

IMAGES = [
    Image.linear_gradient("L").resize((64, 48)),
    Image.new("RGB", (32, 90), "red"),
    Image.new("RGBA", (1, 1), (0, 0, 255, 128)),
    Image.radial_gradient("L").resize((128, 128)).convert("RGB"),
    Image.radial_gradient("L").convert("P"),
]
QUESTIONS = ["What is the main object in this image?", "color?", "Qu'est-ce que c'est, Ünïcödé 猫?", ""]


@dataclass(frozen=True)
class Behind:
    """What answers: how its folder is made, how it is loaded from there, and what it needs that may not be here."""

    make: Callable[[Path], Path]
    load: Callable[[str], Oracle] = partial(load, device="cpu", dtype="float32")
    needs: tuple[str, ...] = ()


def miniature(_):
    return VILT


def cached(name):
    return Cached(load(name, "cpu", "float32"))


worker = partial(WorkerOracle, device="cpu", dtype="float32")
VIDEO = ("torchvision",)  # the processor cannot be made without one for videos, which transformers has for torchvision alone
BEHIND = {
    "vilt": Behind(miniature),
    "blip": Behind(tiny_vlms.blip),
    "llava": Behind(tiny_vlms.llava),
    "idefics3": Behind(tiny_vlms.idefics3),
    "smolvlm": Behind(tiny_vlms.smolvlm, needs=(*VIDEO, "num2words")),
    "qwen2.5-vl": Behind(tiny_vlms.qwen, needs=VIDEO),
    "vilt in a worker": Behind(miniature, worker),
    "llava in a worker": Behind(tiny_vlms.llava, worker),
    "vilt, kept": Behind(miniature, cached),
    "remote": Behind(lambda _: "remote"),
}


@pytest.fixture(scope="module", params=BEHIND)
def behind(request, tmp_path_factory):
    """Loads the oracle, anew at each call."""
    chosen = BEHIND[request.param]
    for package in chosen.needs:
        if find_spec(package) is None:
            pytest.skip(f"{request.param} needs {package}, which is not here")
    if request.param == "remote":
        with serving(always=sees) as fake:
            yield lambda: RemoteOracle(Remote("eye", fake.url, "tiny"))
        return
    folder = str(chosen.make(tmp_path_factory.mktemp("model")))
    yield lambda: chosen.load(folder)


@pytest.fixture(scope="module")
def pool(behind):
    """Keeps the oracle for all tests, since to load some takes seconds; `made` are those that it loaded."""
    pool = Pool(lambda *_: pool.made.append(behind()) or pool.made[-1])
    pool.made = []
    yield pool
    pool.release()


@pytest.fixture
def oracle(pool):
    return pool.get("x")


def texts(answers):
    return [[[answer.text for answer in group] for group in image] for image in answers]


def scores(answers):
    return [answer.score for image in answers for group in image for answer in group if answer.score is not None]


@pytest.mark.parametrize("topk", [1, 3])
def test_a_batch_says_what_each_would_be_told_alone(oracle, topk):
    together = oracle.ask(IMAGES, QUESTIONS, topk)
    alone = [[oracle.ask([image], [question], topk)[0][0] for question in QUESTIONS] for image in IMAGES]
    assert texts(together) == texts(alone)
    assert all(len(group) == topk for image in together for group in image)
    assert scores(together) == pytest.approx(scores(alone), abs=2e-3)


def test_pictures_and_questions_keep_their_places(oracle):
    said = texts(oracle.ask(IMAGES, QUESTIONS, 1))
    turned = texts(oracle.ask(IMAGES[::-1], QUESTIONS[::-1], 1))
    assert turned == [image[::-1] for image in said[::-1]]
    assert len({str(image) for image in said}) > 1  # they are told apart


def test_a_picture_of_any_kind_is_seen_as_its_colours(oracle):
    told = oracle.ask([image.convert("RGB") for image in IMAGES], QUESTIONS[:2], 2)
    seen = oracle.ask(IMAGES, QUESTIONS[:2], 2)
    assert texts(seen) == texts(told) and scores(seen) == pytest.approx(scores(told), abs=2e-3)


def test_scores_are_probabilities_likeliest_first(oracle):
    found = oracle.ask(IMAGES, QUESTIONS, 3)
    assert bool(scores(found)) == oracle.scored
    for image in found:
        for group in image:
            said = scores([[group]])
            assert said == sorted(said, reverse=True) and all(0 <= score <= 1 for score in said)


def test_the_same_is_said_twice_and_no_random_number_is_drawn(oracle):
    first = oracle.ask(IMAGES, QUESTIONS, 2)
    state = torch.get_rng_state()
    assert oracle.ask(IMAGES, QUESTIONS, 2) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_it_says_what_it_looks_at(oracle):
    assert oracle.name and 8 <= oracle.input_side <= 1024
    remote = isinstance(oracle, RemoteOracle)
    assert oracle.scored is not remote and oracle.deterministic is not remote


def test_nothing_asked_is_nothing_answered(oracle):
    assert oracle.ask([], QUESTIONS, 2) == []
    assert oracle.ask(IMAGES[:2], [], 2) == [[], []]


def test_what_goes_wrong_reaches_the_one_who_asks_and_the_next_is_answered(oracle):
    first = oracle.ask(IMAGES[:1], QUESTIONS[:1], 1)
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(file, "PNG")
    torn = Image.open(io.BytesIO(file.getvalue()[:2000]))
    with pytest.raises(OSError, match="truncated"):
        oracle.ask([torn], QUESTIONS[:1], 1)
    assert oracle.ask(IMAGES[:1], QUESTIONS[:1], 1) == first


def test_what_goes_wrong_in_the_model_does_too(oracle, monkeypatch):
    if not hasattr(getattr(oracle, "oracle", oracle), "model"):
        pytest.skip("its model is not in this process: see test_failures.py")
    first = oracle.ask(IMAGES[:1], QUESTIONS[:1], 1)
    with monkeypatch.context() as broken, pytest.raises(RuntimeError, match="out of memory"):
        broken.setattr(torch.nn.Linear, "forward", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")))
        oracle.ask([Image.new("RGB", (20, 20), "green")], QUESTIONS[:1], 1)
    assert oracle.ask(IMAGES[:1], QUESTIONS[:1], 1) == first


def test_let_go_and_loaded_again_it_says_the_same(pool, oracle):
    first, made = oracle.ask(IMAGES, QUESTIONS, 2), len(pool.made)
    pool.release()
    assert pool.get("x").ask(IMAGES, QUESTIONS, 2) == first and len(pool.made) == made + 1
    assert pool.made[-1] is not oracle


@pytest.mark.parametrize("kind", ["blip", "llava", "idefics3"])
def test_an_empty_answer_is_no_failure(kind, tmp_path):
    mute = load(str(getattr(tiny_vlms, kind)(tmp_path)), "cpu", "float32")
    writer = getattr(mute.model, "text_decoder", mute.model)
    end = mute.processor.tokenizer.sep_token_id if kind == "blip" else mute.processor.tokenizer.eos_token_id
    words = len(mute.processor.tokenizer)
    writer.generation_config.suppress_tokens = [token for token in range(words) if token != end]
    assert texts(mute.ask(IMAGES, QUESTIONS, 1)) == [[[""]] * len(QUESTIONS)] * len(IMAGES)
