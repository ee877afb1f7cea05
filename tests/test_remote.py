"""The remote oracle against a real (local) server that behaves, and that does not."""

import base64
import io
import json
import random
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import asdict
from email.utils import formatdate
from functools import partial
from itertools import pairwise

import pytest
from chat_server import completion, drip, endless, half, huge, late, repeats, reset, says, serving, silent, tells
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles import wire as module
from lib_vlmneg.oracles.base import Answer
from lib_vlmneg.oracles.cached import Cached
from lib_vlmneg.oracles.prompting import Prompting
from lib_vlmneg.oracles.remote import RemoteOracle, Stopped, backoff
from lib_vlmneg.oracles.remotes import Remote, read_remotes

KEY = "sk-very/secret+key&0123456789"


@pytest.fixture
def fake():
    with serving() as fake:
        yield fake


def remote(url, **fields):
    return Remote(**{"name": "eye", "url": url, "model": "tiny", "timeout": 5.0, **fields})


def oracle(fake, stopped=lambda: False, backoff=lambda tries: 0.0, **fields):
    return RemoteOracle(remote(fake.url, **fields), stopped, backoff)


def picture(red=0, size=(8, 8)):
    return Image.new("RGB", size, (red, 0, 0))


def ask(eye, topk=1):
    return eye.ask([picture()], ["What?"], topk)[0][0]


def fails(eye, kind=InputError):
    """The message of the error, which is one line."""
    with pytest.raises(kind) as caught:
        ask(eye)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


def test_answers_come_in_order_of_images_and_questions(fake):
    def shuffled(chat):
        time.sleep(random.Random(len(fake.seen)).random() * 0.05)
        repeats(chat)

    fake.always = shuffled
    questions = ["What is it?", "¿Qué es esto?", "这是什么?", "🐶 or 🐱?", ""]
    found = oracle(fake).ask([picture(red) for red in (0, 1, 2, 255)], questions, 1)
    texts = [f"{question} Answer with a single word.".strip() for question in questions]
    assert found == [[[Answer(f"{red} {text}")] for text in texts] for red in (0, 1, 2, 255)]
    assert fake.most <= 4 and len(fake.seen) == 20


def test_nothing_to_ask_asks_nothing(fake):
    assert oracle(fake).ask([], ["What?"], 1) == []
    assert oracle(fake).ask([picture(), picture()], [], 1) == [[], []]
    assert fake.seen == []


def test_what_a_request_has(fake, monkeypatch):
    monkeypatch.setenv("EYE_KEY", KEY)
    eye = oracle(fake, key_env="EYE_KEY", side=64, seed=7, keep_alive="-1", instruction="One word.")
    assert (eye.name, eye.input_side, eye.scored, eye.deterministic) == ("remote:eye", 64, False, False)
    eye.ask([picture(9, (300, 100))], ["What?"], 1)
    [chat] = fake.seen
    red, text, image = chat.content()
    assert (red, text, image.size, image.format) == (9, "What? One word.", (64, 21), "PNG")
    assert chat.path == "/v1/chat/completions" and chat.headers["Authorization"] == f"Bearer {KEY}"
    del chat.asked["messages"]
    assert chat.asked == {"model": "tiny", "max_tokens": 12, "temperature": 0.0, "seed": 7, "keep_alive": -1}


def test_a_request_has_the_examples_first_and_is_put_as_it_is_told(fake):
    way = Prompting("Items only.", ((picture(3, (300, 100)), "Which?", "hat"),), tokens=64, side=32)
    oracle(fake, side=100).ask([picture(9, (300, 100))], ["Which?"], 1, way)
    [chat] = fake.seen
    first, answer, last = chat.asked["messages"]
    assert answer == {"role": "assistant", "content": "hat"} and chat.asked["max_tokens"] == 64
    assert [turn["content"][1]["text"] for turn in (first, last)] == ["Which? Items only."] * 2
    shown = [turn["content"][0]["image_url"]["url"].partition(",")[2] for turn in (first, last)]
    seen = [Image.open(io.BytesIO(base64.b64decode(url))) for url in shown]
    assert [(image.getpixel((0, 0))[0], image.size) for image in seen] == [(3, (32, 11)), (9, (32, 11))]


def test_a_jpeg_is_smaller_and_without_a_key_none_is_sent(fake):
    noise = Image.effect_noise((500, 500), 80).convert("RGB")
    oracle(fake).ask([noise], ["What?"], 1)
    oracle(fake, quality=80, keep_alive="10m").ask([noise], ["What?"], 1)
    png, jpeg = fake.seen
    assert jpeg.content()[2].format == "JPEG" and jpeg.content()[2].size == (384, 384)
    assert len(str(jpeg.asked)) < len(str(png.asked)) / 2
    assert "Authorization" not in jpeg.headers and "keep_alive" not in png.asked and jpeg.asked["keep_alive"] == "10m"


@pytest.mark.parametrize("parallel", [1, 3])
def test_never_more_than_so_many_at_once(fake, parallel):
    def slow(chat):
        time.sleep(0.03)
        repeats(chat)

    fake.always = slow
    oracle(fake, parallel=parallel).ask([picture(), picture()], ["a?", "b?", "c?", "d?"], 1)
    assert fake.most == parallel and len(fake.seen) == 8


@pytest.mark.parametrize(
    "trouble",
    [tells(500, b"oh"), tells(503, {"error": "loading"}), tells(429, b""), reset, half, tells(200, b"<html>"), tells(200, b"")],
)
def test_what_passes_is_tried_again(fake, trouble):
    fake.script = [trouble, trouble, trouble]
    waited = []
    assert ask(oracle(fake, backoff=lambda tries: waited.append(tries) or 0.0)) == [
        Answer("0 What? Answer with a single word.")
    ]
    assert waited == [0, 1, 2]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (tells(500, b"oh\nno"), "remote eye fails (HTTP 500: oh no); look at the server's log"),
        (tells(502, {"error": {"message": "no worker"}}), "remote eye fails (HTTP 502: no worker); look at the server's log"),
        (
            tells(429, {"detail": "slow down"}),
            "remote eye is asked too much (HTTP 429: slow down); make parallel smaller",
        ),
        (tells(200, b'{"choices": ['), 'remote eye: no JSON in its answer ({"choices": [); is url http://127.0.0.1:'),
        (half, "breaks the connection (IncompleteRead("),
        (reset, "/v1 breaks the connection (Connection reset by peer); look at the server's log"),
    ],
)
def test_what_stays_is_said_after_the_last_try(fake, trouble, said):
    fake.always = trouble
    assert said in fails(oracle(fake, retries=2), RuntimeError)
    assert len(fake.seen) == 3


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("0.3", 0.3, 0.5), ("3600", 0.5, 2), ("soon", 0, 0.3), ("-5", 0, 0.3), ("nan", 0, 0.3), ("date", 0.5, 2)],
)
def test_the_pause_is_the_server_s_up_to_a_limit(fake, asked, least, most, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.5)
    fake.script = [tells(429, b"", ("Retry-After", formatdate(time.time() + 60, usegmt=True) if asked == "date" else asked))]
    began = time.monotonic()
    ask(oracle(fake))
    assert least <= time.monotonic() - began < most


def test_the_pause_of_ours_doubles_and_draws_no_random_number_of_the_host():
    before = random.getstate()
    pauses = [[backoff(tries) for _ in range(50)] for tries in range(3)]
    assert random.getstate() == before
    for tries, found in enumerate(pauses):
        assert 0.35 * 2**tries <= min(found) < max(found) <= 0.65 * 2**tries


@pytest.mark.parametrize(
    "trouble",
    [silent, late, drip, partial(drip, start=b"", piece=b"H"), partial(drip, start=b"HTTP/1.1 200 OK\r\n", piece=b"A: b\r\n")],
    ids=["silent", "late", "drip of body", "drip of status", "drip of headers"],
)
def test_a_slow_server_is_left_in_time(fake, trouble):
    fake.always = trouble
    began = time.monotonic()
    said = fails(oracle(fake, timeout=0.3), RuntimeError)
    assert time.monotonic() - began < 1.0
    assert said.startswith("remote eye: no whole answer within 0.3 s; make timeout larger") and len(fake.seen) == 1
    assert threads_end()


def threads_end():
    """Whether all threads of ours end by themselves."""
    deadline = time.monotonic() + 1
    while any(thread.name == "remote oracle" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return time.monotonic() < deadline


def test_a_server_that_does_not_even_accept():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        eye = RemoteOracle(remote(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", timeout=0.2))
        assert "no whole answer within 0.2 s" in fails(eye, RuntimeError)


def test_a_huge_answer_is_not_read(fake):
    fake.always = huge
    assert "its answer is longer than 1048576 bytes" in fails(oracle(fake), RuntimeError)
    fake.always = partial(endless, sent=(sent := []))
    assert "its answer is longer than 1048576 bytes" in fails(oracle(fake), RuntimeError)
    assert len(fake.seen) == 2 and len(sent) < 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "no choices[0].message.content in its answer ([])"),
        (3, "no choices[0].message.content in its answer (3)"),
        ({"choices": []}, "no choices[0].message.content"),
        ({"choices": {}}, "no choices[0].message.content"),
        ({"choices": ["dog"]}, "no choices[0].message.content"),
        ({"choices": [{"text": "dog"}]}, "no choices[0].message.content"),
        ({"choices": [{"message": None}]}, "no choices[0].message.content"),
        ({"error": {"message": "no credits", "code": 402}}, "in its answer (no credits); is it a chat server?"),
        (completion(None), "content is null in place of a text; choose a model"),
        (completion(7), "content is 7 in place of a text"),
        (completion(["dog"]), "content is ['dog'] in place of a text"),
        (completion("", finish_reason="length"), "max_tokens: 12 are used up by thinking; make it larger"),
        (completion("<think>Well, a dog is"), "max_tokens: 12 are used up by thinking"),
    ],
)
def test_an_answer_of_the_wrong_shape(fake, body, said):
    fake.always = tells(200, body)
    assert said in fails(oracle(fake), RuntimeError)
    assert len(fake.seen) == 1


def test_nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as left:
        port = left.getsockname()[1]
    said = fails(RemoteOracle(remote(f"http://127.0.0.1:{port}/v1"), backoff=lambda tries: 0.0))
    assert (
        said
        == f"remote eye: url: http://127.0.0.1:{port}/v1 does not answer (Connection refused); start the server, or correct url"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_is_wanted_or_refused(fake, status, monkeypatch, tmp_path):
    fake.always = tells(status, {"error": {"message": f"bad key {KEY}"}})
    wanted = "remote eye wants a key; name the environment variable that holds it in key_env, or a file in key_file"
    assert fails(oracle(fake)) == wanted
    monkeypatch.setenv("EYE_KEY", KEY)
    refused = "remote eye refuses the key; check what EYE_KEY holds, and that it may use model 'tiny'"
    assert fails(oracle(fake, key_env="EYE_KEY")) == refused
    file = tmp_path / "key"
    file.write_text(f"  {KEY}\n")
    assert f"check what {file} holds" in fails(oracle(fake, key_file=str(file)))
    assert [chat.headers["Authorization"] for chat in fake.seen] == [None, f"Bearer {KEY}", f"Bearer {KEY}"]


MODELS = {"object": "list", "data": [{"id": "llava"}, {"id": "blip\n2"}]}


@pytest.mark.parametrize(
    ("status", "body", "models", "said"),
    [
        (404, b"", (200, MODELS), "model: 'tiny' is not on the server, which has blip 2, llava; choose one of these"),
        (400, {"error": "model 'tiny' not found"}, (200, MODELS), "which has blip 2, llava; choose one of these"),
        (400, {"message": "The model `tiny` does not exist."}, (200, {"data": []}), "which has no models; choose"),
        (404, b"", (200, {"data": [{"id": f"m{index:02}"} for index in range(20)]}), "m06, m07 and more; choose"),
        (404, b"no route", (200, {"data": [{"id": "tiny"}]}), "is in the server's list, but it does not answer: no route"),
        (404, b"Not Found", (404, b""), "/v1 is wrong (most end with /v1): Not Found"),
        (404, b"Not Found", (200, {"models": 3}), "(most end with /v1): Not Found"),
        (404, b"Not Found", (200, b"<html>"), "(most end with /v1): Not Found"),
    ],
)
def test_a_model_that_is_not_there(fake, status, body, models, said):
    fake.script = [tells(status, body), tells(*models)]
    assert said in fails(oracle(fake))
    assert [chat.path for chat in fake.seen] == ["/v1/chat/completions", "/v1/models"]


def test_a_list_of_models_that_never_comes(fake):
    fake.script = [tells(404, b"no"), silent]
    began = time.monotonic()
    assert "(most end with /v1): no" in fails(oracle(fake, timeout=0.2))
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_other_refusals_are_not_tried_again(fake, status):
    fake.always = tells(status, {"error": {"message": "takes no images"}})
    said = fails(oracle(fake))
    assert (
        said
        == f"remote eye refuses the request (HTTP {status}: takes no images); check that model 'tiny' is there and takes images"
    )
    assert len(fake.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(fake, status):
    with serving() as other:
        fake.always = tells(status, b"", ("Location", other.url))
        assert f"url: sends on to '{other.url}', which is not followed; correct url" in fails(oracle(fake))
        assert other.seen == [] and len(fake.seen) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        *(tells(status, {"error": {"message": f"you sent {KEY}"}}) for status in (400, 401, 403, 404, 429, 500)),
        *(tells(status, f"{'x' * 180} Bearer {KEY}".encode()) for status in (200, 400, 500)),  # cut in the middle of the key
        tells(500, b"you sent sk-very/secret+key&amp;0123456789 or SK-VERY%2FSECRET%2BKEY%260123456789"),
        tells(400, ("".join(f"\\u{ord(sign):04x}" for sign in KEY)).join(('{"error": "', '"}')).encode()),
        tells(302, b"", ("Location", f"http://127.0.0.1/{KEY}")),
        tells(200, {"error": KEY}),
        says([KEY]),
        says(KEY),
        lambda chat: chat.wfile.write(f"{KEY}\r\n\r\n".encode()),
        lambda chat: chat.wfile.write(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
        lambda chat: chat.wfile.write(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode()),
        lambda chat: chat.reply(*(404, b"") if chat.asked else (200, {"data": [{"id": KEY}]})),
    ],
)
def test_the_key_is_never_told(fake, trouble, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("EYE_KEY", KEY)
    fake.always = trouble
    eye = oracle(fake, key_env="EYE_KEY", retries=1)
    told = []
    for topk in (1, 3):
        try:
            told.append(repr(ask(eye, topk)))
        except (InputError, RuntimeError) as error:
            while error is not None:
                told += [str(error), repr(error), repr(vars(error))]
                error = error.__cause__ or error.__context__
    told += [repr(eye), repr(vars(eye)), repr(asdict(eye.remote)), caplog.text]
    assert fake.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert not re.search(r"sk-very|0123456789", "\n".join(told), re.IGNORECASE)


@pytest.mark.parametrize("held", [None, "", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_not_sent(fake, held, monkeypatch, tmp_path):
    monkeypatch.delenv("EYE_KEY", raising=False)
    file = tmp_path / "key"
    if held is not None:
        monkeypatch.setenv("EYE_KEY", held)
        file.write_text(held, encoding="utf-8")
    for place in ({"key_env": "EYE_KEY"}, {"key_file": str(file)}):
        [(name, value)] = place.items()
        said = fails(oracle(fake, **place))
        assert said.startswith(f"remote eye: {name}: {value} ") and (not held or held not in said)
    assert fake.seen == []


def test_the_key_is_read_when_it_is_needed(fake, monkeypatch):
    monkeypatch.setenv("EYE_KEY", "first-one")
    eye = oracle(fake, key_env="EYE_KEY")
    ask(eye)
    monkeypatch.setenv("EYE_KEY", "second-one")
    ask(eye)
    assert [chat.headers["Authorization"] for chat in fake.seen] == ["Bearer first-one", "Bearer second-one"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("dog, cat, bird, fish", ["dog", "cat", "bird"]),
        ("1. dog\n2. a cat\n3) Bird.", ["dog", "a cat", "Bird"]),
        ("- dog\n* dog\n- cat", ["dog", "cat"]),
        ("<think>hm, a dog?</think>\n\ndog; cat", ["dog", "cat"]),
        ("dog", ["dog"]),
        (" ,, \n", []),
        ("", []),
    ],
)
def test_a_list_of_answers(fake, said, found):
    fake.always = says(said)
    assert ask(oracle(fake, logprobs=True), topk=3) == [Answer(word) for word in found]
    [chat] = fake.seen
    assert chat.content()[1] == "What? Answer with up to 3 different words, separated by commas."
    assert chat.asked["max_tokens"] == 36 and "logprobs" not in chat.asked


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("dog", "dog"),
        ("\n A dog,\ncat \ud800\x1b[31m", "A dog, cat [31m"),
        ("<think>hm</think> dog", "dog"),
        ("x" * 999, "x" * 499 + "…"),
    ],
)
def test_one_answer_is_one_line(fake, said, found):
    fake.always = says(said)
    assert ask(oracle(fake)) == [Answer(found)]


def test_an_empty_answer_is_none(fake):
    fake.always = says(" \n")
    assert ask(oracle(fake)) == []


@pytest.mark.parametrize(
    ("logprobs", "score"),
    [
        ({"content": [{"token": "do", "logprob": -0.5}, {"token": "g", "logprob": -0.25}]}, 0.4724),
        ({"content": [{"token": "dog", "logprob": 0.5}]}, 1.0),
        ({"content": [{"token": "dog", "logprob": -9999.0}]}, 0.0),
        ({"content": [{"token": "dog", "logprob": "nan"}]}, None),
        ({"content": [{"token": "dog"}]}, None),
        ({"content": None}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_score_where_the_server_gives_one(fake, logprobs, score):
    fake.always = says("dog", logprobs=logprobs)
    eye = oracle(fake, logprobs=True)
    assert eye.scored and ask(eye) == [Answer("dog", score)]
    assert fake.seen[0].asked["logprobs"] is True
    assert ask(oracle(fake)) == [Answer("dog")] and "logprobs" not in fake.seen[1].asked


@pytest.mark.parametrize("trouble", [silent, drip, tells(500, b""), partial(drip, start=b"", piece=b"H")])
def test_stopped_it_comes_back_at_once(fake, trouble):
    fake.always = trouble
    began = time.monotonic()
    eye = oracle(fake, lambda: time.monotonic() - began > 0.2, lambda tries: 60.0, timeout=60.0)
    with pytest.raises(Stopped, match="remote eye: stopped"):
        eye.ask([picture()] * 3, ["a?", "b?", "c?"], 1)
    assert time.monotonic() - began < 0.7
    assert threads_end()


def test_stopped_before_it_asks(fake):
    with pytest.raises(Stopped):
        ask(oracle(fake, lambda: True))
    assert fake.seen == []


def test_stopped_while_the_models_are_listed(fake):
    fake.script = [tells(404, b""), silent]
    with pytest.raises(Stopped):
        ask(oracle(fake, lambda: len(fake.seen) > 1))


def test_it_is_asked_often_whether_to_stop(fake):
    fake.always = lambda chat: (time.sleep(0.5), repeats(chat))
    looks = [time.monotonic()]
    ask(oracle(fake, lambda: looks.append(time.monotonic())))
    assert max(after - before for before, after in pairwise(looks)) < 0.2


def test_closed_it_ends_what_it_asks(fake):
    fake.always = silent
    eye = oracle(fake)
    threading.Timer(0.1, eye.close).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        ask(eye)
    assert time.monotonic() - began < 0.6


def test_the_first_failure_ends_the_others(fake):
    fake.script = [silent, silent, tells(400, b"no")]
    with pytest.raises(InputError, match="HTTP 400: no"):
        oracle(fake).ask([picture()], ["a?"] * 9, 1)
    assert threads_end() and len(fake.seen) <= 5


def test_no_proxy_to_this_machine_but_to_others(fake, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(oracle(fake))
    assert ask(RemoteOracle(remote(fake.url.replace("127.0.0.1", "localhost"))))
    monkeypatch.setenv("http_proxy", fake.url)
    assert ask(RemoteOracle(remote("http://eye.invalid/v1")))
    assert fake.seen[-1].path == "http://eye.invalid/v1/chat/completions"


def test_https_to_a_server_without_it(fake):
    fake.url = fake.url.replace("http:", "https:")
    assert "has no trusted TLS" in fails(oracle(fake))


def test_https_that_ends_before_it_began():
    with socket.create_server(("127.0.0.1", 0)) as curt:
        threading.Thread(target=lambda: [curt.accept()[0].close() for _ in range(3)], daemon=True).start()
        eye = RemoteOracle(remote(f"https://127.0.0.1:{curt.getsockname()[1]}/v1", retries=2), backoff=lambda tries: 0.0)
        assert "breaks the connection" in fails(eye, RuntimeError)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_https_with_a_trusted_certificate_and_without(tmp_path, monkeypatch):
    names = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 {names} -keyout key -out cert"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with serving(context) as fake:
        assert "has no trusted TLS" in fails(oracle(fake))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        eye = oracle(fake, timeout=0.5)
        assert ask(eye) == [Answer("0 What? Answer with a single word.")]
        fake.always = drip
        assert "no whole answer within 0.5 s" in fails(eye, RuntimeError)
        assert threads_end()


GOOD = {"name": "eye", "url": "http://127.0.0.1:8000/v1", "model": "tiny"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "remotes: name: 'a b' is not up to 64 letters"),
        ({"name": 3}, "remotes: name: 3 is not"),
        ({"name": "a\nb"}, r"remotes: name: 'a\nb' is not"),
        ({"model": " "}, "remote eye: model: ' ' is not the name that the server has for it; correct it"),
        *(
            ({"url": url}, f"remote eye: url: {url!r} ")
            for url in ("", "ftp://x/v1", "127.0.0.1:8000", "http://", "http:///v1")
        ),
        *(
            ({"url": url}, "remote eye: url: ")
            for url in ("http://h:0/v1", "http://h:99999/", "http://[::1/v1", "http://h /v1")
        ),
        ({"url": "http://eye.ü/v1"}, "remote eye: url: 'http://eye.ü/v1' is not a URL"),
        ({"side": 8}, "remote eye: side: 8 is not from 16 to 4096; correct it"),
        ({"side": "384"}, "remote eye: side: '384' is not from 16 to 4096"),
        ({"side": 384.5}, "remote eye: side: 384.5 is not"),
        ({"quality": 101}, "remote eye: quality: 101 is not from 0 to 100"),
        ({"timeout": 0}, "remote eye: timeout: 0 is not from 0.1 to 3600.0"),
        ({"timeout": float("nan")}, "remote eye: timeout: nan is not"),
        ({"timeout": True}, "remote eye: timeout: True is not"),
        ({"retries": -1}, "remote eye: retries: -1 is not from 0 to 20"),
        ({"parallel": 0}, "remote eye: parallel: 0 is not from 1 to 64"),
        ({"max_tokens": 0}, "remote eye: max_tokens: 0 is not"),
        ({"temperature": 3}, "remote eye: temperature: 3 is not from 0.0 to 2.0"),
        ({"logprobs": 1}, "remote eye: logprobs: 1 is not true or false"),
        ({"instruction": None}, "remote eye: instruction: None is not a text"),
        ({"keep_alive": "long"}, "remote eye: keep_alive: 'long' is not seconds, or a time such as 10m"),
        ({"key_env": "A", "key_file": "/a"}, "remote eye: key_env and key_file are both set; leave one of them out"),
        ({"sides": 3}, "remotes: 'sides': there is no such field; the fields are name, url, model, key_env"),
    ],
)
def test_a_bad_remote(change, said):
    with pytest.raises(InputError) as caught:
        read_remotes(json.dumps([GOOD | change]))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        *({name: KEY} for name in ("key", "api_key", "apiKey", "API-KEY", "token", "Authorization", "key_env", "key_file")),
        {"key_env": "hf_AbCdEf"},
        *({"url": f"http://{user}127.0.0.1:{port}/v1"} for user in (f"{KEY}@", f"me:{KEY}@") for port in (8000, 99999)),
        {"url": f"http://127.0.0.1/v1?key={KEY}"},
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_told(change):
    with pytest.raises(InputError, match=r"key_env|key_file|holds the key|without user") as caught:
        read_remotes(json.dumps([GOOD | change]))
    assert KEY not in str(caught.value) and "hf_AbCdEf" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", '{"name": "eye"}', "[1]", "3", "[" * 100_000, "null"])
def test_remotes_that_are_no_list_of_objects(text):
    with pytest.raises(InputError, match=r'^remotes: .*; write \[{"name": ..., "url": ..., "model": ...}\]$'):
        read_remotes(text)


@pytest.mark.parametrize("name", ["name", "url", "model"])
def test_what_a_remote_must_have(name):
    with pytest.raises(InputError, match=f"remotes: {name}: missing in remote"):
        read_remotes(json.dumps([{key: value for key, value in GOOD.items() if key != name}]))


def test_remotes_are_read_by_name():
    text = json.dumps(
        [GOOD | {"url": "http://127.0.0.1:8000/v1/chat/completions"}, GOOD | {"name": "b", "timeout": 7, "side": 128}]
    )
    found = read_remotes(text)
    assert list(found) == ["eye", "b"] and found["eye"] == Remote(**GOOD)
    assert (found["b"].timeout, type(found["b"].timeout), found["b"].side) == (7.0, float, 128)
    assert read_remotes("") == read_remotes(" \n") == {}
    with pytest.raises(InputError, match="remotes: name: 'eye' is there twice"):
        read_remotes(json.dumps([GOOD, GOOD]))


def test_a_server_that_is_said_to_repeat_itself_is_asked_once(fake):
    for cache, asked in ((False, 2), (True, 1)):
        fake.seen.clear()
        eye = oracle(fake, cache=cache)
        assert eye.deterministic is cache
        kept = Cached(eye) if eye.deterministic else eye
        assert ask(kept) == ask(kept) and len(fake.seen) == asked
