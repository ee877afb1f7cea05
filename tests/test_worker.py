"""An oracle in a process of its own: it answers as it would here, and whatever happens to it, it leaves nothing behind."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest
import worker_fakes
from PIL import Image

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles import child
from lib_vlmneg.oracles.line import Line
from lib_vlmneg.oracles.stopped import Stopped
from lib_vlmneg.oracles.worker import WorkerOracle
from lib_vlmneg.oracles.worker_main import send

HERE = Path(__file__).parent
PICTURES = [
    Image.linear_gradient("L").resize((37, 23)).convert("RGB"),
    Image.linear_gradient("L"),
    Image.new("RGB", (1, 1), (1, 2, 3)),
    Image.new("RGBA", (5, 4), (9, 8, 7, 0)),
    Image.radial_gradient("L").convert("P"),
    Image.new("1", (9, 3), 1),
]
QUESTIONS = ["what is this?", "quelle œuvre ? 何ですか 🐈", "", 'a "quote"\nand\ta tab', "half of a pair: \ud83d"]
GREY = Image.new("L", (8, 8))


@pytest.fixture
def start(monkeypatch):
    """Makes workers of worker_fakes, and sees at the end that closing them leaves no process."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    started = []

    def make(loader, name="an eye", **options):
        started.append(WorkerOracle(name, loader=f"worker_fakes:{loader}", **options))
        return started[-1]

    yield make
    pids = [oracle._child._process.pid for oracle in started]
    for oracle in started:
        oracle.close()
    assert [pid for pid in pids if lives(pid)] == []
    assert [oracle for oracle in started if oracle._child._folder.exists()] == []


def lives(pid):
    """Whether a process runs; one that has ended and waits to be asked for its status does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def tell(oracle, question):
    return oracle.ask([GREY], [question], 1)[0][0][0].text


def until(true, seconds):
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_it_answers_as_it_would_here(start):
    here = worker_fakes.Echo("naïve 名", "cpu", "float16")
    there = start("Echo", "naïve 名", device="cpu", dtype="float16")
    for topk in (1, 2, 3):
        assert there.ask(PICTURES, QUESTIONS, topk) == here.ask(PICTURES, QUESTIONS, topk)
    assert there.ask([], QUESTIONS, 1) == [] and there.ask(PICTURES[:1], [], 1) == [[]]
    assert (there.input_side, there.scored, there.deterministic) == (224, True, False)


def test_a_picture_that_no_png_can_hold_goes_as_rgb(start):
    cmyk = Image.new("CMYK", (4, 4), (10, 20, 30, 40))
    assert start("Echo").ask([cmyk], ["?"], 3) == worker_fakes.Echo("an eye").ask([cmyk.convert("RGB")], ["?"], 3)


def test_the_packages_come_first_then_we_and_the_folder_of_the_script_is_not_there(start, tmp_path):
    (tmp_path / "transformers.py").write_text("__version__ = 'newer'")
    oracle = start("Tells", packages=tmp_path)
    assert tell(oracle, "__import__('transformers').__version__") == "newer"
    path = eval(tell(oracle, "sys.path"))
    assert path[:2] == [str(tmp_path), str(HERE.parent)]
    assert str(Path(child.__file__).parent) not in path
    assert tell(oracle, "'torch' in sys.modules") == "False"


def test_prints_and_long_answers_do_no_harm(start):
    assert start("noisy").ask([GREY], ["?"], 2) == worker_fakes.Echo("an eye").ask([GREY], ["?"], 2)
    assert len(tell(start("Long"), "?")) == 5_000_000


@pytest.mark.parametrize(
    ("loader", "error", "said"),
    [
        ("refuses", InputError, r"^oracle: 'an eye' is not known here; choose another$"),
        ("misses", RuntimeError, r"^the worker of an eye: ModuleNotFoundError: No module named 'nothing_of_that_name'$"),
        ("nobody", RuntimeError, r"^the worker of an eye: AttributeError: module 'worker_fakes' has no attribute 'nobody'$"),
        ("dies", RuntimeError, r"^the worker of an eye ended \(exit status 3\): the last thing it said$"),
    ],
)
def test_what_fails_while_it_loads_is_said_in_one_line(start, loader, error, said):
    with pytest.raises(error, match=said):
        start(loader)


def test_what_fails_in_an_answer_is_said_in_one_line_and_the_next_is_answered(start):
    oracle = start("fails")
    with pytest.raises(InputError, match=r"^oracle: 'x' has no eyes; choose another$"):
        oracle.ask([GREY], ["input"], 1)
    with pytest.raises(RuntimeError, match=r"^the worker of an eye: ValueError: two lines$"):
        oracle.ask([GREY], ["other"], 1)
    with pytest.raises(RuntimeError, match=r"^the worker of an eye: SystemExit: a library left$"):
        oracle.ask([GREY], ["exit"], 1)
    assert len(oracle.ask([GREY], ["?"], 2)[0][0]) == 2


def test_a_python_that_cannot_start_it_is_said(start, monkeypatch, tmp_path):
    monkeypatch.setattr(child.worker_main, "__file__", str(tmp_path / "gone.py"))
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match=r"^the worker of an eye ended \(exit status 2\): .*gone\.py"):
        start("Echo")
    until(lambda: threading.active_count() <= threads, 2)


def test_after_a_crash_the_next_question_starts_it_again(start):
    oracle = start("crashes")
    with pytest.raises(RuntimeError, match=r"^the worker of an eye ended \(exit status 7\): CUDA is on fire$"):
        oracle.ask([GREY], ["crash"], 1)
    assert len(oracle.ask([GREY], ["?"], 2)[0][0]) == 2


def test_one_that_ends_at_every_question_is_started_again_once(start):
    oracle = start("leaves")
    lives_of_it = []
    begin = oracle._child.start
    oracle._child.start = lambda order: lives_of_it.append(begin(order))
    with pytest.raises(RuntimeError, match=r"^the worker of an eye ended \(exit status 0\): it said nothing$"):
        oracle.ask([GREY], ["?"], 1)
    assert len(lives_of_it) == 1


def test_killed_in_the_middle_of_an_answer(start):
    oracle = start("Tells")
    threading.Timer(0.3, os.kill, (int(tell(oracle, "os.getpid()")), signal.SIGKILL)).start()
    with pytest.raises(RuntimeError, match=r"^the worker of an eye ended \(exit status -9\)"):
        tell(oracle, "time.sleep(60)")
    assert tell(oracle, "1 + 1") == "2"


def test_killed_between_two_questions_nobody_sees_it(start):
    oracle = start("Tells")
    os.kill(int(tell(oracle, "os.getpid()")), signal.SIGKILL)
    until(lambda: not oracle._child.alive(), 2)
    assert tell(oracle, "1 + 1") == "2"


def test_what_takes_too_long_is_ended(start):
    oracle = start("hangs", ask_timeout=0.8)
    pid = oracle._child._process.pid
    with pytest.raises(RuntimeError, match=r"^oracle: 'an eye' did not answer in 0\.8 s; its worker starts again when next"):
        oracle.ask([GREY], ["hang"], 1)
    assert not lives(pid)
    assert len(oracle.ask([GREY], ["?"], 2)[0][0]) == 2
    with pytest.raises(RuntimeError, match=r"^oracle: 'an eye' was not loaded in 0\.5 s; generate again, or choose a smaller"):
        start("never", start_timeout=0.5)


@pytest.mark.parametrize("loader", ["hangs", "never"])
def test_stopped_it_ends_at_once(start, loader):
    moment = time.monotonic() + 1.5
    with pytest.raises(Stopped, match=r"^oracle: 'an eye' was stopped$"):
        start(loader, stopped=lambda: time.monotonic() > moment).ask([GREY], ["hang"], 1)
    assert 0 < time.monotonic() - moment < 0.5


def test_stopped_it_starts_again_when_next_asked(start):
    stop = []
    oracle = start("hangs", stopped=lambda: bool(stop))
    threading.Timer(0.2, stop.append, [True]).start()
    with pytest.raises(Stopped):
        oracle.ask([GREY], ["hang"], 1)
    with pytest.raises(Stopped):
        oracle.ask([GREY], ["?"], 1)
    assert not oracle._child.alive()
    stop.clear()
    assert len(oracle.ask([GREY], ["?"], 2)[0][0]) == 2


def test_idle_it_ends_and_starts_again_when_next_asked(start):
    oracle = start("Tells", idle=0.2)
    until(lambda: not oracle._child.alive(), 5)
    assert oracle._child._process.returncode == 0
    assert tell(oracle, "1 + 1") == "2"


def test_one_that_clings_to_life_ends_all_the_same(start):
    oracle = start("Clings", idle=0.2)
    until(lambda: not oracle._child.alive(), 5)
    assert oracle._child._process.returncode == 0


def test_asked_just_as_it_ends_idle_it_is_started_again(start, monkeypatch):
    oracle = start("Tells", idle=0.2)
    until(lambda: not oracle._child.alive(), 5)
    looks = iter([True])
    monkeypatch.setattr(oracle._child, "alive", lambda: next(looks))
    begin = oracle._child.start
    oracle._child.start = lambda order: (monkeypatch.undo(), monkeypatch.setenv("PYTHONPATH", str(HERE)), begin(order))
    assert tell(oracle, "1 + 1") == "2"


@pytest.mark.parametrize("work", ["None", "time.sleep(60)"])
def test_when_the_host_is_killed_it_ends_also_in_the_middle_of_an_answer(work, tmp_path):
    program = (
        "import threading, test_worker as t; o = t.WorkerOracle('x', loader='worker_fakes:Tells');"
        f"print(t.tell(o, 'os.getpid()'), flush=True); t.tell(o, {work!r}); t.time.sleep(60)"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    env = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=env, text=True) as host:
        pid = int(host.stdout.readline())
        time.sleep(0.2)
        assert lives(pid)
        host.kill()
    until(lambda: not lives(pid), 5)


def test_when_the_host_ends_nothing_is_left(tmp_path):
    program = "import test_worker as t; o = t.WorkerOracle('x', loader='worker_fakes:Tells'); print(t.tell(o, 'os.getpid()'))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]), "TMPDIR": str(tmp_path)}
    host = subprocess.run([sys.executable, "-c", program], capture_output=True, env=env, text=True, check=True)
    assert not lives(int(host.stdout)) and not host.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_secret_is_in_no_argument_and_no_environment(start, monkeypatch):
    secret = bytes(range(65, 97))
    monkeypatch.setattr(secrets, "token_bytes", lambda n: secret[:n])
    pid = tell(start("Tells"), "os.getpid()")
    for seen in ("cmdline", "environ"):
        content = Path(f"/proc/{pid}/{seen}").read_bytes()
        assert content and secret not in content and secret.hex().encode() not in content


def test_who_does_not_know_the_secret_stays_outside():
    line = Line()
    with pytest.raises(AuthenticationError):
        Client(line.address, authkey=b"wrong")
    socket.create_connection(line.address).close()
    with Client(line.address, authkey=line.secret) as right:
        send(right, {"here": True})
        assert line.heard(2) == ({"here": True, "frames": 0}, [])
    line.hang_up()
    line.thread.join(2)
    assert not line.thread.is_alive()


def test_many_threads_may_ask(start):
    oracle, said = start("Tells"), {}
    threads = [threading.Thread(target=lambda n=n: said.update({n: tell(oracle, f"{n} * 2")})) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {n: str(n * 2) for n in range(20)}


def test_closed_in_the_middle_of_an_answer(start):
    oracle, caught = start("hangs"), []

    def asks():
        try:
            oracle.ask([GREY], ["hang"], 1)
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=asks)
    thread.start()
    time.sleep(0.2)
    oracle.close()
    thread.join(2)
    assert caught == ["oracle: 'an eye' was closed; load it again"]
    with pytest.raises(RuntimeError, match="was closed"):
        oracle.ask([GREY], ["?"], 1)


def test_forgotten_it_ends(start, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    oracle = WorkerOracle("x", loader="worker_fakes:Tells")
    pid = oracle._child._process.pid
    del oracle
    until(lambda: not lives(pid), 3)
