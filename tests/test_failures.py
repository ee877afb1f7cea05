"""What happens to an oracle in the middle of a picture costs no picture and little time, and is said in one line."""

import signal
import time
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import pytest
from chat_server import completion, drip, endless, half, huge, killed, late, repeats, reset, says, serving, silent, tells
from PIL import Image
from pipelines import Eye, sd
from worker_fakes import FALLS

from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.oracles.remote import RemoteOracle
from lib_vlmneg.oracles.remotes import Remote
from lib_vlmneg.oracles.worker import WorkerOracle
from lib_vlmneg.settings import Settings

REQUEST = Request("a photo of a pet", steps=5, height=16, width=16)
TIMEOUT = 0.6  # seconds that an oracle is given here
BEARABLE = 2.5  # seconds more, for the rest of the picture and to end a process
ENDED, LATE, NONSENSE = "ended (exit status -9)", "did not answer in 0.6 s", "says what is no answer"
SAID = {"killed": ENDED, "killed half-way": ENDED, "hung": LATE, "stopped": LATE, "stopped half-way": LATE}
painter = cache(sd)


def drawn(oracle, lag):
    """A digest of the picture, the record, and the seconds."""
    began = time.monotonic()
    [image], record = draw(painter(), REQUEST, Settings(enabled=True, steps=(), lag=lag), oracle)
    return sha256(image.tobytes()).hexdigest()[:12], record, time.monotonic() - began


@cache
def one_dog(lag):
    """The picture with what was found before it went wrong."""
    return drawn(Eye(), lag)[0]


def goes_on(oracle, lag, said):
    """Draws a picture in which the second question goes wrong."""
    expected = one_dog(lag)
    picture, record, seconds = drawn(oracle, lag)
    assert picture == expected and record.timelines[0].changes == {1 + lag: ("dog",)}
    assert record.failure.startswith("step ") and said in record.failure
    assert "\n" not in record.failure and len(record.failure) < 400
    assert seconds < TIMEOUT + BEARABLE


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("name", FALLS)
def test_a_worker_falls(name, lag, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    oracle = WorkerOracle(name, loader="worker_fakes:Falls", ask_timeout=TIMEOUT)
    try:
        goes_on(oracle, lag, SAID.get(name, NONSENSE))
        if lag == 0:  # else a question may be on its way, which the next picture need not know
            goes_on(oracle, lag, SAID.get(name, NONSENSE))  # it is started again, and says dog again before it falls again
    finally:
        oracle.close()
    assert oracle._child._process.returncode is not None


def test_a_worker_that_hears_nothing_of_large_pictures(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    oracle = WorkerOracle("killed", loader="worker_fakes:Falls", ask_timeout=TIMEOUT)
    oracle._child._process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=LATE):
        oracle.ask([Image.new("RGB", (2048, 2048))] * 4, ["?"], 1)
    assert time.monotonic() - began < TIMEOUT + BEARABLE
    oracle.close()


TROUBLES = {
    "slow": (late, "no whole answer within 0.6 s"),
    "silent": (silent, "no whole answer within 0.6 s"),
    "drip by drip": (drip, "no whole answer within 0.6 s"),
    "half": (half, "breaks the connection"),
    "10 MB": (huge, "longer than 1048576 bytes"),
    "endless": (partial(endless, sent=[]), "longer than 1048576 bytes"),
    "broken JSON": (tells(200, b'{"choices": [{"message": {"con'), "no JSON in its answer"),
    "a page": (tells(200, b"<html><h1>It works!</h1></html>", ("Content-Type", "text/html")), "no JSON in its answer"),
    "a picture": (tells(200, b"\x89PNG\r\n\x1a\n" * 99, ("Content-Type", "image/png")), "no JSON in its answer"),
    "reset": (reset, "breaks the connection"),
    "killed": (killed, "does not answer (Connection refused)"),
    "an error": (tells(503, {"error": "loading"}), "fails (HTTP 503: loading)"),
    "no choices": (tells(200, {"choices": []}), "no choices[0].message.content"),
}


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("name", TROUBLES)
def test_a_server_falls(name, lag):
    trouble, said = TROUBLES[name]
    with serving(always=trouble, script=[says("dog")]) as fake:
        remote = Remote("eye", fake.url, "tiny", timeout=TIMEOUT, retries=1)
        goes_on(RemoteOracle(remote, backoff=lambda tries: 0.0), lag, said)


def test_a_server_that_mistakes_the_type_of_its_answer_is_heard_all_the_same():
    with serving(always=tells(200, completion("dog"), ("Content-Type", "text/html"))) as fake:
        _, record, _ = drawn(RemoteOracle(Remote("eye", fake.url, "tiny")), 0)
    assert record.failure is None and len(record.events) > 1


def test_a_server_that_falls_once_is_asked_again_and_no_one_sees_it():
    with serving(script=[says("dog"), reset, half, says("dog")], always=repeats) as fake:
        _, record, _ = drawn(RemoteOracle(Remote("eye", fake.url, "tiny"), backoff=lambda tries: 0.0), 0)
    assert not record.failure and len(record.events) == len(fake.seen) - 2
