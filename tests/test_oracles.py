"""Which oracles there are, how one is chosen and loaded; answers that are kept; answers held to a list."""

import pytest
import tiny_vlms
import torch
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.miniature import VILT
from lib_vlmneg.oracles import registry
from lib_vlmneg.oracles.base import Answer, Oracle
from lib_vlmneg.oracles.cached import Cached
from lib_vlmneg.oracles.prompting import Prompting
from lib_vlmneg.oracles.registry import KINDS, Kind, Means, load, missing, type_of
from lib_vlmneg.oracles.remotes import read_remotes
from lib_vlmneg.oracles.worker import WorkerOracle

IMAGES = [
    Image.linear_gradient("L").resize((64, 48)),
    Image.new("RGB", (32, 90), "red"),
    Image.new("RGBA", (1, 1), (0, 0, 255, 128)),
    Image.radial_gradient("L").resize((128, 128)).convert("RGB"),
]
QUESTIONS = ["What is the main object in this image?", "color?", "Qu'est-ce que c'est, Ünïcödé 猫?"]
MADE = {"vilt": None, "blip": tiny_vlms.blip, "llava": tiny_vlms.llava}


@pytest.fixture(scope="module", params=MADE)
def oracle(request, tmp_path_factory):
    make = MADE[request.param]
    folder = VILT if make is None else make(tmp_path_factory.mktemp(request.param))
    return load(str(folder), "cpu", "float32")


def texts(answers):
    return [[[answer.text for answer in group] for group in image] for image in answers]


def test_answers_are_kept_and_asked_once(oracle):
    asked = []

    class Counting(type(oracle)):
        def __init__(self):
            vars(self).update(vars(oracle))

        def ask(self, images, questions, topk):
            asked.append(len(images))
            return super().ask(images, questions, topk)

    kept = Cached(Counting())
    first = kept.ask(IMAGES, QUESTIONS, 2)
    assert texts(first) == texts(oracle.ask(IMAGES, QUESTIONS, 2))
    assert kept.ask(IMAGES[::-1], QUESTIONS[::-1], 2) == [image[::-1] for image in first[::-1]]
    assert asked == [4]
    kept.ask([*IMAGES[:2], Image.new("RGB", (5, 5))], QUESTIONS, 2)
    assert asked == [4, 1]
    kept.ask(IMAGES[:1], QUESTIONS, 1)
    assert asked == [4, 1, 1]


def test_the_memory_is_bounded(oracle):
    kept = Cached(oracle, most=2)
    kept.ask(IMAGES, QUESTIONS[:1], 1)
    assert len(kept._kept) == 2
    kept.close()
    assert not kept._kept


def test_a_chat_model_can_be_held_to_a_vocabulary(tmp_path):
    from lib_vlmneg.oracles.chat import ChatOracle

    folder = tiny_vlms.llava(tmp_path)
    examples = ((IMAGES[1], "What is this?", "red"), (IMAGES[0], "What is this?", "dog"))
    held = ChatOracle(str(folder), "cpu", "float32", Prompting(vocabulary=("dog", "main object"), examples=examples))
    for topk in (1, 2):
        for image in texts(held.ask(IMAGES, QUESTIONS, topk)):
            assert all(text in ("dog", "main object") for group in image for text in group)


def test_how_it_is_asked_is_part_of_what_is_kept(tmp_path):
    """Another instruction, size or example is another question."""

    class Chatty(Oracle):
        name, input_side, chats = "chatty", 4, True
        asked = 0

        def ask(self, images, questions, topk, prompting=None):
            self.asked += 1
            return [[[Answer(str(self.asked))] for _ in questions] for _ in images]

    ways = [
        None,
        Prompting(side=5),
        Prompting("Say."),
        Prompting(tokens=3),
        Prompting(vocabulary=("dog",)),
        Prompting(examples=((IMAGES[0], "?", "a"),)),
        Prompting(examples=((IMAGES[1], "?", "a"),)),
        Prompting(examples=((IMAGES[0], "?", "b"),)),
    ]
    kept = Cached(Chatty())
    assert kept.chats
    for _ in range(2):
        said = [kept.ask(IMAGES[:1], ["?"], 1, *([way] if way else []))[0][0][0].text for way in ways]
        assert said == [str(number + 1) for number in range(len(ways))]


@pytest.fixture(scope="module")
def here_and_there(tmp_path_factory):
    """The same chat model in this process and in a worker."""
    folder = str(tiny_vlms.llava(tmp_path_factory.mktemp("llava")))
    there = WorkerOracle(folder, "cpu", "float32")
    yield load(folder, "cpu", "float32"), there
    there.close()


@pytest.mark.parametrize("side", [0, 16])
def test_a_chat_model_in_a_worker_is_asked_as_it_would_be_here(side, here_and_there):
    """The pictures of the examples go there and count; so does the size."""
    here, there = here_and_there
    assert here.chats and there.chats
    way = Prompting("What main object?", ((IMAGES[0], "Is it red?", "a dog"),), tokens=5, side=side)
    said = there.ask(IMAGES, QUESTIONS, 1, way)
    assert said == here.ask(IMAGES, QUESTIONS, 1, way) != here.ask(IMAGES, QUESTIONS, 1)
    assert here.ask(IMAGES, QUESTIONS, 1, here.prompting) == here.ask(IMAGES, QUESTIONS, 1)


def test_a_chat_model_that_sees_pieces_sees_the_whole(tmp_path):
    oracle = load(str(tiny_vlms.idefics3(tmp_path)), "cpu", "float32")
    seen = oracle._inputs([(image.convert("RGB"), QUESTIONS[0]) for image in IMAGES], oracle.prompting)["pixel_values"]
    assert seen.shape == (len(IMAGES), 1, 3, tiny_vlms.SIDE, tiny_vlms.SIDE)


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such/model"])
def test_a_model_that_is_not_there(name):
    with pytest.raises(InputError, match="cannot be loaded") as said:
        load(name, "cpu")
    assert "\n" not in str(said.value)


def test_a_processor_that_wants_a_package_more(monkeypatch, tmp_path):
    import transformers

    def wants(*_, **__):
        raise ImportError("\nThe processor requires the Torchvision library\n")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", wants)
    with pytest.raises(InputError, match=r"^oracle: '.*' needs a package that is not here \(The processor .*\)"):
        load(str(tiny_vlms.llava(tmp_path)), "cpu")


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="model_type"):
        type_of(str(tmp_path))


def test_a_remote_is_chosen_by_name():
    means = Means(read_remotes('[{"name": "eye", "url": "http://127.0.0.1:9/v1", "model": "m"}]'))
    assert load("remote:eye", means=means).name == "remote:eye"
    for given in (means, None):
        with pytest.raises(
            InputError, match=r"'remote:other' is not among the remotes in the settings, which are: (remote:eye|none)"
        ):
            load("remote:other", means=given)


def test_a_model_that_is_too_new_is_asked_in_a_worker_where_its_packages_are(tmp_path, monkeypatch):
    folder, made = tmp_path / "packages", []
    (tmp_path / "config.json").write_text('{"model_type": "of_the_future"}')
    monkeypatch.setattr(registry, "WorkerOracle", lambda *given, **more: made.append((given, more)) or "worker")
    with pytest.raises(InputError, match=r"of_the_future model; transformers .* does not know it: install newer packages "):
        load(str(tmp_path), means=Means(packages=folder))
    (folder / "transformers-9.dist-info").mkdir(parents=True)
    (folder / "transformers-9.dist-info" / "METADATA").write_text("Name: transformers\nVersion: 9\n")
    assert load(str(tmp_path), "cpu", means=Means(packages=folder)) == "worker"
    assert [given for given, _ in made] == [(str(tmp_path), "cpu", "auto", folder)]


def test_what_an_old_transformers_cannot_load_is_said_with_what_to_do():
    new = next(kind for kind in KINDS if kind.model_type == "qwen2_5_vl")
    said = missing(new, (4, 46))
    assert "needs transformers 4.49, here is 4.46" in said and "--vlm" in said
    assert missing(new, (5, 0)) is None and missing(Kind("vilt", "ViLT", (4, 16), ""), (4, 30)) is None


@torch.no_grad()
def test_vilts_patches_are_those_of_transformers():
    oracle = load(str(VILT), "cpu", "float32")
    seen = oracle._pictures([IMAGES[3], IMAGES[3].rotate(90)], return_tensors="pt")
    theirs, mask, _ = oracle.model.vilt.embeddings.visual_embed(seen["pixel_values"], seen["pixel_mask"], -1)
    ours = oracle._patches(seen["pixel_values"])
    assert mask.all() and ours.shape == theirs.shape
    distance = torch.cdist(ours, theirs, compute_mode="donot_use_mm_for_euclid_dist")  # they come in another order
    assert distance.min(1).values.max() < 1e-4 and distance.min(2).values.max() < 1e-4
