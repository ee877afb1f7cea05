"""What to look for: presets, files and lists; how they are asked for, and what comes of the answers."""

import json

import pytest
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.guide import Guide
from lib_vlmneg.oracles.base import Answer, Oracle
from lib_vlmneg.query.vocabulary import MOST, PRESETS, Vocabulary, find, read
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings
from tests.fakes import CountingDecoder, Scripted, make_guide, sample

YES, NO = [Answer("yes", 0.9), Answer("no", 0.1)], [Answer("no", 0.7), Answer("yes", 0.3)]
EXAMPLE = {"image": "blue.png", "answer": "none"}


class Talker(Oracle):
    """Says `said` to everything, and remembers how it was asked."""

    name, input_side, chats = "talker", 4, True

    def __init__(self, *said):
        self.said, self.asked = list(said), []

    def ask(self, images, questions, topk, prompting=None):
        self.asked.append((questions, topk, prompting))
        text = self.said.pop(0) if self.said else "none"
        return [[[Answer(text, 0.01)] for _ in questions] for _ in images]


class Knower(Oracle):
    """Knows of each item how likely it is; anything else is no."""

    name, input_side = "knower", 4

    def __init__(self, **likely):
        self.likely, self.asked = likely, []

    def ask(self, images, questions, topk):
        self.asked.append((tuple(questions), topk))
        group = [self._about(question)[:topk] for question in questions]
        return [group for _ in images]

    def _about(self, question):
        yes = next((score for item, score in self.likely.items() if item in question), 0.0)
        return sorted([Answer("yes", yes), Answer("no", 1 - yes)], key=lambda answer: -answer.score)


class Answering(Oracle):
    """Gives the same answers to everything, likeliest first."""

    name, input_side = "answering", 4

    def __init__(self, *said):
        self.said, self.asked = [Answer(*each) for each in said], []

    def ask(self, images, questions, topk):
        self.asked.append((tuple(questions), topk))
        return [[self.said[:topk] for _ in questions] for _ in images]


def written(folder, body, name="mine.json"):
    (folder / name).write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_name(name):
    assert find(name) == PRESETS[name]


@pytest.mark.parametrize("text", ["knife, big  gun,,", "knife\nbig gun", "knife, big gun, Knives, guns big,knife"])
def test_items_may_be_typed(text):
    assert find(text).items[:2] == ("knife", "big gun")


def test_nothing_is_no_vocabulary():
    assert find("") is None


@pytest.mark.parametrize("name", ["mine", "mine.json"])
def test_a_file_is_found_by_its_name_in_the_folder(tmp_path, name):
    written(tmp_path, ["hat", "flag"])
    assert find(name, tmp_path).items == ("hat", "flag")


def test_a_path_is_read_only_where_it_may_be(tmp_path):
    path = written(tmp_path, ["hat"])
    assert find(str(path), paths=True).items == ("hat",)
    (tmp_path / "folder").mkdir()
    for text in (str(path), "../mine", "../mine.json", "..", "folder/../../mine.json", "mine.txt", "\0", "x" * 5000):
        with pytest.raises(InputError, match=r"^vocabulary: .* is neither a preset"):
            find(text, tmp_path / "folder")


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_file_may_be_yaml(tmp_path, suffix):
    pytest.importorskip("yaml")
    text = "items: [hat, red flag]\nprefix: Party\nquestion: Which of these are worn?\n"
    assert read(written(tmp_path, text, f"mine.{suffix}")) == Vocabulary(
        ("hat", "red flag"), "Party", "Which of these are worn?"
    )


def test_a_file_brings_examples(tmp_path):
    Image.new("RGB", (2, 2), "blue").save(tmp_path / "blue.png")
    [(image, answer)] = read(written(tmp_path, {"items": ["hat"], "examples": [EXAMPLE]})).examples
    assert image.getpixel((0, 0)) == (0, 0, 255) and answer == "none"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[1,", "cannot be read as JSON"),
        ("{}", "no list of items"),
        ("3", "no list of items"),
        ("[]", "0 items; write 1 to 200"),
        ([["hat"]], r"\['hat'\] is no item"),
        ([7], "7 is no item"),
        (["hat", ""], "'' is no item"),
        (["hat, flag"], "'hat, flag' is no item"),
        (["(hat:1.2)"], "is no item"),
        (["a|b"], "is no item"),
        (["42"], "is no item"),
        (["hat"] * (MOST + 1), "201 items"),
        ({"items": ["hat"], "questions": "x"}, "'questions': there is no such field; the fields are items"),
        ({"items": ["hat"], "prefix": 3}, "prefix: 3 is not a line of text"),
        ({"items": ["hat"], "question": " "}, "question: ' ' is not a line"),
        ({"items": ["hat"], "examples": 1}, "examples: no list"),
        ({"items": ["hat"], "examples": [{"image": "a.png"}]}, "examples: .* is not like"),
        ({"items": ["hat"], "examples": [{**EXAMPLE, "image": "/etc/passwd"}]}, "is not below the file's folder"),
        ({"items": ["hat"], "examples": [{**EXAMPLE, "image": "../blue.png"}]}, "is not below the file's folder"),
        ({"items": ["hat"], "examples": [EXAMPLE]}, "'blue.png' cannot be read"),
    ],
)
def test_a_wrong_file_is_one_line_with_its_name(tmp_path, body, said):
    with pytest.raises(InputError, match=rf"^vocabulary mine: .*{said}") as raised:
        find(written(tmp_path, body).stem, tmp_path)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["a: [b", "!!python/object/apply:os.system ['true']", "\x00"])
def test_yaml_that_is_none_or_wants_more_than_data_is_refused(tmp_path, text):
    pytest.importorskip("yaml")
    with pytest.raises(InputError, match=r"^vocabulary mine.yaml: cannot be read as YAML") as raised:
        find("mine.yaml", written(tmp_path, text, "mine.yaml").parent)
    assert len(str(raised.value).splitlines()) == 1


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "mine.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"^vocabulary mine: cannot be read as JSON"):
        find("mine", tmp_path)


def test_a_model_that_chats_is_asked_once_for_all_in_its_own_size():
    eye = Talker("Daggers, and a hatt", "none")
    vocabulary = Vocabulary(("hat", "dagger"), examples=((Image.new("RGB", (2, 2)), "hat"),))
    guide = make_guide(eye, total=4, mode="replace", vocabulary=vocabulary, oracle_size=99, topk=5, min_score=0.5)
    assert sample(guide) == [None, ["ugly, dagger"], None, None]
    [(questions, topk, prompting), *_] = eye.asked
    assert questions == ['Which of the following can you spot in the image? "hat, dagger"'] and topk == 1
    assert prompting.side == 99 and prompting.tokens >= 64 and prompting.examples[0][1:] == (questions[0], "hat")
    assert [event.found for event in guide.record.events] == [("dagger",), (), ()]
    assert guide.record.found(0) == "0:dagger"


@pytest.mark.parametrize(
    ("min_score", "terms"), [(0.0, "dagger, hat"), (0.3, "dagger, hat, flag"), (0.8, "dagger"), (0.95, "")]
)
def test_another_is_asked_for_each_in_one_batch_and_has_to_say_yes(min_score, terms):
    eye = Knower(dagger=0.9, hat=0.6, flag=0.4)
    guide = make_guide(eye, total=3, vocabulary=Vocabulary(("dagger", "hat", "flag")), min_score=min_score)
    assert sample(guide)[1] == ((terms and [f"ugly, {terms}"]) or None)
    questions = tuple(f"Is there a {item} in the image?" for item in ("dagger", "hat", "flag"))
    assert eye.asked[0] == (questions, 2)


@pytest.mark.parametrize(
    ("own", "given", "whole"), [("ugly", "", "ugly, Violence"), ("", "", "Violence"), ("", "Mine, (x:2)", "Mine, (x:2)")]
)
def test_a_prefix_stands_before_the_terms_and_only_where_there_are_any(own, given, whole):
    vocabulary = Vocabulary(("dagger",), "Violence")
    guide = make_guide(Talker("dagger", "none"), negatives=[own], total=4, mode="replace", vocabulary=vocabulary, prefix=given)
    assert sample(guide) == [None, [f"{whole}, dagger"], None, None]
    again = make_guide(None, negatives=[own], total=4, prefix=guide.settings.prefix, timelines=guide.record.timelines)
    assert sample(again) == [None, [f"{whole}, dagger"], None, None]


@pytest.mark.parametrize(("negate", "second"), [(False, None), (True, ["ugly, dagger"])])
def test_what_the_prompt_asks_for_is_left_alone_unless_it_is_negated(negate, second):
    guide = make_guide(
        Talker("dagger"), total=3, prompts=["a pirate with daggers"], negate_prompt=negate, vocabulary=find("dagger,")
    )
    assert sample(guide)[1] == second


@pytest.mark.parametrize(
    ("given", "second"),
    [
        ({}, "dagger, hat"),
        ({"min_score": 0.3}, "dagger"),
        ({"topk": 1}, None),
        ({"prompts": ["a pirate with daggers"]}, "hat"),
        ({"prompts": ["a pirate with daggers"], "negate_prompt": True}, "dagger, hat"),
    ],
)
def test_with_only_the_questions_are_asked_and_what_is_not_in_the_vocabulary_is_not_used(given, second):
    eye, items = Answering(("a big dog", 0.4), ("daggers", 0.3), ("hat", 0.2)), "dagger, hat, flag"
    given = {"enabled": True, "only": True, "topk": 3, "questions": ("What is unsafe?",), "vocabulary": items} | given
    prompts = given.pop("prompts", ["a photo of a pet"])
    guide = Guide(Settings(**given), Clock(2, 2), prompts, ["ugly"], eye, CountingDecoder(), vocabulary=find(items))
    assert sample(guide)[1] == (second and [f"ugly, {second}"])
    assert eye.asked[0] == (("What is unsafe?",), given["topk"])
    assert guide.record.found(0) == (f"0:{second.replace(', ', ',')}" if second else "none")


def test_only_needs_a_vocabulary_and_questions():
    for given in ({"vocabulary": ""}, {"questions": ()}):
        with pytest.raises(InputError, match=r"^only: .*; give a vocabulary and questions$"):
            Settings(**{"enabled": True, "only": True, "vocabulary": "safety", **given})


def test_an_oracle_that_does_not_chat_is_never_given_a_prompting():
    assert sample(make_guide(Scripted({(0, 0): ["hat"]}), total=3, oracle_size=50)) == [None, ["ugly, hat"], ["ugly, hat"]]


def test_the_size_alone_leaves_a_chat_models_own_instruction():
    eye = Talker("dog")
    sample(make_guide(eye, total=2, oracle_size=50))
    [(_, _, prompting)] = eye.asked
    assert prompting.side == 50 and prompting.instruction is None and prompting.tokens == 0


def test_the_miniature_is_steered_away_from_what_its_oracle_spots():
    """A castle comes with a flag that the prompt does not name; the oracle says when it comes, and then it is pushed away."""
    from lib_vlmneg import miniature
    from lib_vlmneg.hosts.diffusers import Request, draw, load_oracle, load_pipeline

    if not miniature.VILT.is_dir():
        pytest.skip("the miniature's weights are not here")
    (pipe, tiny), eye = load_pipeline("miniature", "cpu"), load_oracle("miniature", "cpu")
    request, asked = Request("a photo of a castle", seed=1, steps=12, batch=4), ["What accessory do you see?"]
    rhythm = {"steps": (), "every": 3}
    settings = Settings(enabled=True, vocabulary="flag, balloon, star", push="separate", mode="replace", **rhythm)
    plain, _ = draw(pipe, request, settings)
    drawn, record = draw(pipe, request, settings, eye, tiny)
    assert record.failure is None and all("flag" in record.found(image) for image in range(4))
    assert record.infotext(1)["VLM Negative found"] == record.found(1)
    said = [[image[0][0].text for image in eye.ask(images, asked, 1)] for images in (plain, drawn)]
    assert said[0] == ["flag"] * 4 and said[1].count("nothing") >= 3
