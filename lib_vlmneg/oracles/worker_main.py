"""What the process of a WorkerOracle runs. It imports nothing heavy before it is connected, so that every failure can be said.

A message is a header that JSON can say, and frames of bytes. Nothing is pickled: neither side can run code in the other.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Client, Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

GRACE = 2.0  # seconds that an answer under way is given once nobody waits for it
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # of PIL, that a PNG keeps as they are
FACTS = ("input_side", "scored", "chats", "deterministic")  # what a loaded oracle says of itself
LONGEST = 500  # characters of an error's line
Message = tuple[dict[str, Any], list[bytes]]


def prompt(connection: Connection) -> Connection:
    """The same line, without the 40 ms that TCP holds back a small piece after another."""
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection: Connection, header: dict[str, Any], frames: Sequence[bytes] = ()) -> None:
    """Sends one message. Raises OSError when the other end is gone."""
    connection.send_bytes(json.dumps({**header, "frames": len(frames)}).encode())
    for frame in frames:
        connection.send_bytes(frame)


def receive(connection: Connection) -> Message:
    """The next message, waiting for it. Raises EOFError or OSError when the other end is gone."""
    header = json.loads(connection.recv_bytes())
    return header, [connection.recv_bytes() for _ in range(header["frames"])]


def packed(image: Any) -> bytes:
    """A PIL image as a PNG, without compression: it does not go far."""
    file = io.BytesIO()
    (image if image.mode in MODES else image.convert("RGB")).save(file, "PNG", compress_level=0)
    return file.getvalue()


def main() -> None:
    """Reads from stdin where to connect and what to load, then answers until nobody asks any more."""
    order = json.loads(sys.stdin.readline())
    connection = prompt(Client(tuple(order["address"]), authkey=bytes.fromhex(order["secret"])))
    requests: SimpleQueue[Message | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, requests), daemon=True).start()
    try:
        oracle = _load(order)
        facts = {name: getattr(oracle, name) for name in FACTS}
    except BaseException as error:
        send(connection, _failure(error))
        _leave()
    send(connection, facts)
    try:
        _serve(connection, oracle, requests, min(order["idle"], threading.TIMEOUT_MAX))
        oracle.close()
    finally:
        _leave()


def _load(order: dict[str, Any]) -> Any:
    """The oracle, with our packages in front of the host's, which are those of this Python."""
    here = Path(__file__).resolve().parent
    others = [path for path in sys.path if Path(path).resolve() != here]  # a script's own folder would hide others' names
    sys.path[:] = [*filter(None, [order["packages"]]), str(here.parents[1]), *others]
    module, _, function = order["loader"].partition(":")
    return getattr(importlib.import_module(module), function)(order["name"], order["device"], order["dtype"])


def _listen(connection: Connection, requests: SimpleQueue[Message | None]) -> None:
    """Takes in what is asked, also during an answer, and ends the process when the one who asks is gone."""
    try:
        while True:
            requests.put(receive(connection))
    except (EOFError, OSError):
        requests.put(None)
        time.sleep(GRACE)
        _leave()


def _serve(connection: Connection, oracle: Any, requests: SimpleQueue[Message | None], idle: float) -> None:
    while True:
        try:
            request = requests.get(timeout=idle)
        except Empty:
            return
        if request is None:
            return
        try:
            send(connection, _answer(oracle, *request))
        except OSError:
            return


def _answer(oracle: Any, request: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
    """The answers as texts and scores, or what went wrong."""
    try:
        from PIL import Image

        from lib_vlmneg.oracles.prompting import heard
        from lib_vlmneg.oracles.spare import ask

        images = [Image.open(io.BytesIO(frame)) for frame in frames]
        for image in images:
            image.load()
        images, prompting = heard(request.get("prompting"), images)
        answers = ask(oracle, images, request["questions"], request["topk"], prompting)
        plain = [[[_plain(each) for each in question] for question in image] for image in answers]
        return {"answers": plain}
    except BaseException as error:  # also an exit: a library may not end us in silence
        return _failure(error)


def _plain(answer: Any) -> tuple[str, float | None]:
    return str(answer.text), None if answer.score is None else float(answer.score)


def _failure(error: BaseException) -> dict[str, Any]:
    traceback.print_exception(type(error), error, error.__traceback__)
    return {"error": (type(error).__name__, " ".join(str(error).split())[:LONGEST])}


def _leave() -> None:
    """Ends the process at once: what a GPU library does at its exit could hang or fail."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
