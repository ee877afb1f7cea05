"""Oracles for the process of a WorkerOracle, whose loader is "worker_fakes:NAME"."""

import hashlib
import os
import signal
import sys
import threading
import time

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles.base import Answer, Oracle


class Echo(Oracle):
    """Says what it was given: the picture's mode, size and pixels, and the question."""

    input_side = 224
    deterministic = False

    def __init__(self, name, device="auto", dtype="auto"):
        self.name, self.wanted = name, (device, dtype)

    def ask(self, images, questions, topk):
        return [[self.answers(image, question)[:topk] for question in questions] for image in images]

    def answers(self, image, question):
        pixels = hashlib.sha256(image.tobytes()).hexdigest()
        return [
            Answer(f"{image.mode} {image.size} {pixels}", 1 / 3),
            Answer(question, None),
            Answer(" ".join(self.wanted), 0.0),
        ]


class Does(Echo):
    """Does something before it answers."""

    def __init__(self, does, *wanted):
        super().__init__(*wanted)
        self.does = does

    def ask(self, images, questions, topk):
        self.does(questions)
        return super().ask(images, questions, topk)


def hangs(*wanted):
    return Does(lambda questions: time.sleep(60 if "hang" in questions else 0), *wanted)


def crashes(*wanted):
    def crash(questions):
        if "crash" in questions:
            print("CUDA is on fire", file=sys.stderr, flush=True)
            os._exit(7)

    return Does(crash, *wanted)


def leaves(*wanted):
    return Does(lambda _: os._exit(0), *wanted)


def noisy(*wanted):
    print("loading… " * 100_000)
    return Does(lambda _: print("answering… " * 100_000, "\x00\r\n"), *wanted)


def fails(*wanted):
    def fail(questions):
        if "input" in questions:
            raise InputError("oracle: 'x' has no eyes; choose another")
        if "exit" in questions:
            sys.exit("a library\nleft")
        if "other" in questions:
            raise ValueError("two\n lines")

    return Does(fail, *wanted)


class Long(Echo):
    """Ten megabytes."""

    def answers(self, image, question):
        return [Answer("é" * 5_000_000, 0.5)]


class Tells(Echo):
    """What is around it: the answer to a question is its value as Python."""

    def answers(self, image, question):
        return [Answer(str(eval(question, {"sys": sys, "os": os, "time": time})))]


class Clings(Tells):
    """Does not close, and has a thread that does not end."""

    def close(self):
        threading.Thread(target=time.sleep, args=(60,)).start()
        raise OSError("no")


def refuses(name, *_):
    raise InputError(f"oracle: {name!r} is not known here; choose another")


def misses(*_):
    import nothing_of_that_name  # noqa: F401


def dies(*_):
    print("the last thing it said", flush=True)
    os._exit(3)


def never(*_):
    time.sleep(60)


class Falls(Echo):
    """Says dog when it is first asked; then it does what it is named after, each in its own process."""

    def __init__(self, name, *wanted):
        super().__init__(name, *wanted)
        self.asked = 0

    def ask(self, images, questions, topk):
        self.asked += 1
        if self.asked > 1:
            FALLS[self.name]()
        return [[[Answer("dog")] for _ in questions] for _ in images]


def _line():
    """The connection to the host, which the frame that serves it has."""
    frame = sys._getframe()
    while "connection" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["connection"]


def _stop(*said):
    for each in said:
        _line().send_bytes(each)
    os.kill(os.getpid(), signal.SIGSTOP)


FALLS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "killed half-way": lambda: (_line().send_bytes(b'{"frames": 1}'), os.kill(os.getpid(), signal.SIGKILL)),
    "hung": lambda: time.sleep(60),
    "stopped": _stop,
    "stopped half-way": lambda: _stop(b'{"frames": 1}'),
    "no JSON": lambda: _line().send_bytes(b"\xff\x00 nonsense"),
    "a list": lambda: _line().send_bytes(b"[]"),
    "nothing": lambda: _line().send_bytes(b'{"frames": 0}'),
    "a number": lambda: _line().send_bytes(b'{"frames": 0, "answers": 3}'),
    "an odd error": lambda: _line().send_bytes(b'{"frames": 0, "error": 3}'),
    "too deep": lambda: _line().send_bytes(b"[" * 100_000),
    "no length": lambda: os.write(_line().fileno(), b"\xff" * 4 + b"\x7f" * 8),
}
