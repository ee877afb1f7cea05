"""The remote oracle against a genuine server, `transformers serve` with a tiny LLaVA, run by the interpreter SERVE_PYTHON."""

import os
import re
import socket
import subprocess
import time
import urllib.request
from dataclasses import replace

import pytest
import tiny_vlms
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles.base import Answer
from lib_vlmneg.oracles.remote import Remote, RemoteOracle

pytestmark = pytest.mark.slow
NEEDED = "openai, uvicorn, fastapi, torch, PIL, transformers"
QUESTIONS = ["What is this?", "Is it a cat?", "¿Qué es?"]


@pytest.fixture(scope="module")
def python():
    """What runs the server, or a skip that says why there is none."""
    python = os.environ.get("SERVE_PYTHON")
    if not python:
        pytest.skip(f"SERVE_PYTHON is not set; name an interpreter that has {NEEDED}")
    found = subprocess.run([python, "-c", f"import {NEEDED}"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"SERVE_PYTHON {python} cannot serve: {found.stderr.strip().splitlines()[-1]}")
    return python


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(url, process, log, seconds=120):
    """Seconds until the server answers there."""
    began = time.monotonic()
    while time.monotonic() - began < seconds and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return time.monotonic() - began
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"no server at {url}: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def model(python, tmp_path_factory):
    return tiny_vlms.llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def served(python, model, tmp_path_factory):
    """The remote that answers with the model, and the seconds that it took to start."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    (home / "hub").mkdir()  # without it the list of models is an error
    log = home / "log"
    command = [python, "-m", "transformers.cli.transformers", "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        flags = ["--device", "cpu", "--dtype", "float32"]
        process = subprocess.Popen([*command, *flags], env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        seconds = wait_for(f"{url}/models", process, log)
        yield Remote("tiny", url, str(model), timeout=60.0, retries=0, parallel=1), seconds
    finally:
        process.terminate()
        process.wait(20)


def pictures():
    return [Image.new("RGB", (96, 64), colour) for colour in ("red", "green", "blue", "white")]


@pytest.fixture(scope="module")
def says(model):
    """What the model itself says, in this process."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, network = AutoProcessor.from_pretrained(model), AutoModelForImageTextToText.from_pretrained(model)

    def says(image, question):
        turn = {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": f"{question} Answer with a single word."}],
        }
        text = processor.apply_chat_template([turn], add_generation_prompt=True)
        inputs = processor(text=text, images=[image], return_tensors="pt")
        written = network.generate(**inputs, max_new_tokens=12)[0, inputs["input_ids"].shape[1] :]
        return processor.decode(written, skip_special_tokens=True).strip()

    return says


def test_it_says_what_the_model_says(served, says):
    found = RemoteOracle(served[0]).ask(pictures(), QUESTIONS, 1)
    assert found == [[[Answer(says(image, question))] for question in QUESTIONS] for image in pictures()]
    assert len({answer.text for row in found for [answer] in row}) > 3


def test_how_long_it_takes(served):
    remote, start = served
    eye = RemoteOracle(remote)
    eye.ask(pictures(), QUESTIONS, 1)
    began = time.perf_counter()
    for _ in range(5):
        eye.ask(pictures(), QUESTIONS, 1)
    each = (time.perf_counter() - began) / (5 * 4 * len(QUESTIONS))
    print(f"started in {start:.1f} s, {each * 1000:.1f} ms for one answer of {remote.max_tokens} tokens at most")
    assert each < 1


def test_a_list_is_one_answer_where_the_model_writes_no_commas(served):
    [[answers]] = RemoteOracle(served[0]).ask(pictures()[:1], QUESTIONS[:1], 3)
    assert len(answers) == 1


def test_a_server_that_gives_no_probabilities_is_heard_all_the_same(served):
    eye = RemoteOracle(replace(served[0], logprobs=True))
    [[[answer]]] = eye.ask(pictures()[:1], QUESTIONS[:1], 1)
    assert eye.scored and answer.text and answer.score is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "someone/else"}, "requested 'someone/else'.); check that model 'someone/else' is there"),
        ({"keep_alive": "10m"}, "(HTTP 422: Unexpected fields in the request: {'keep_alive'})"),
        ({"url": "/v2"}, r" is wrong (most end with /v1): Not Found"),
    ],
)
def test_what_it_refuses_is_said(served, change, said):
    if "url" in change:
        change = {"url": served[0].url.replace("/v1", change["url"])}
    with pytest.raises(InputError, match=re.escape(said)):
        RemoteOracle(replace(served[0], **change)).ask(pictures()[:1], QUESTIONS[:1], 1)
