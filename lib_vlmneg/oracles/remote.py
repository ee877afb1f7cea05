"""A model behind any server of OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio, SGLang, a cloud."""

from __future__ import annotations

import base64
import functools
import heapq
import io
import json
import logging
import queue
import random
import re
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from PIL import Image

from ..errors import InputError
from .base import Answer, Oracle
from .prompting import Prompting
from .remotes import Remote
from .replies import Again, NoModel, answers_in, judged, line, model_names, too_slow
from .stopped import Stopped
from .wire import Call, Reply

LOOK = 0.05  # seconds between two looks at whether to stop
LISTING = 5.0  # seconds for the list of models, which only makes a message better
LISTED = "Answer with up to {topk} different words, separated by commas."
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


def backoff(tries: int) -> float:
    """Seconds to wait after so many tries and one more: half a second, doubled each time, 30 % more or less."""
    return 0.5 * 2**tries * random.SystemRandom().uniform(0.7, 1.3)  # the global random numbers are the host's


class RemoteOracle(Oracle):
    """Asks one question about one image in each request, `remote.parallel` of them at a time.

    `stopped` is polled in the thread that asks. An answer has a score if `remote.logprobs` is on, the server gives the
    probabilities, and no list of answers is asked for.
    """

    chats = True

    def __init__(self, remote: Remote, stopped: Callable[[], bool] = lambda: False, backoff: Callable[[int], float] = backoff):
        self.name = f"remote:{remote.name}"
        self.remote = remote
        self.input_side = remote.side
        self.scored, self.deterministic = remote.logprobs, remote.cache
        self._stopped, self._backoff = stopped, backoff
        self._closed = threading.Event()
        self._tls = ssl.create_default_context() if remote.url.startswith("https:") else None

    def close(self) -> None:
        """Ends what is asked in other threads, with Stopped."""
        self._closed.set()

    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """For each image, for each question, up to `topk` answers. Raises InputError, RuntimeError, and Stopped."""
        remote, key, prompting = self.remote, self.remote.key(), prompting or Prompting()
        side = prompting.side or remote.side
        picture = functools.cache(lambda index: data_url(images[index], side, remote.quality))
        shown = [(data_url(image, side, remote.quality), *texts) for image, *texts in prompting.examples]
        asked = [(index, question) for index in range(len(images)) for question in questions]

        def request(number: int) -> urllib.request.Request:
            index, question = asked[number]
            return _request(
                remote, "/chat/completions", key, _question(remote, picture(index), question, topk, prompting, shown)
            )

        def read(reply: Any) -> list[Answer]:
            return answers_in(remote, reply, topk, key)

        try:
            said = self._exchange(len(asked), request, read, key, remote.retries, remote.timeout)
        except NoModel as error:
            raise InputError(self._no_model(str(error), key)) from None
        return [said[row * len(questions) : (row + 1) * len(questions)] for row in range(len(images))]

    def _no_model(self, text: str, key: str) -> str:
        """What to say of a model that the server does not know: which it has, if it tells."""
        remote, said = self.remote, f"remote {self.remote.name}: model: {self.remote.model!r}"

        def request(number: int) -> urllib.request.Request:
            return _request(remote, "/models", key)

        try:
            [names] = self._exchange(1, request, model_names, key, 0, min(LISTING, remote.timeout))
        except Stopped:
            raise
        except Exception:
            return f"{said} is not there, or url {remote.url} is wrong (most end with /v1): {text}"
        if remote.model in names:
            return f"{said} is in the server's list, but it does not answer: {text}"
        shown = ", ".join(line(name, key, 80) for name in names[:8]) or "no models"
        return f"{said} is not on the server, which has {shown}{' and more' if len(names) > 8 else ''}; choose one of these"

    def _exchange(
        self,
        count: int,
        request: Callable[[int], urllib.request.Request],
        read: Callable[[Any], Result],
        key: str,
        retries: int,
        timeout: float,
    ) -> list[Result]:
        """What `read` makes of the answer to each request, in order; the first failure ends all that are on their way."""
        arrived: queue.SimpleQueue[tuple[Call, Reply | Exception]] = queue.SimpleQueue()
        waiting = [(0.0, number, 0) for number in range(count)]  # from when, which, after how many tries
        flying: set[Call] = set()
        found: dict[int, Result] = {}
        try:
            while len(found) < count:
                self._keep_going(flying, arrived.empty())
                if waiting and len(flying) < self.remote.parallel and waiting[0][0] <= time.monotonic():
                    _, number, tries = heapq.heappop(waiting)
                    flying.add(Call(number, tries, request(number), self._tls, timeout, arrived))
                    continue  # the next may be sent too, but a picture takes a while to pack: look up first
                with suppress(queue.Empty):
                    call, outcome = arrived.get(timeout=LOOK)
                    flying.discard(call)
                    try:
                        found[call.number] = read(judged(self.remote, outcome, key))
                    except Again as again:
                        if call.tries >= retries:
                            raise again.error from None
                        pause = max(again.wait, self._backoff(call.tries))
                        logger.info("%s; again in %.1f s", again.error, pause)
                        heapq.heappush(waiting, (time.monotonic() + pause, call.number, call.tries + 1))
            return [found[number] for number in range(count)]
        finally:
            for call in flying:
                call.cut()

    def _keep_going(self, flying: set[Call], all_heard: bool) -> None:
        """Raises Stopped, or RuntimeError if a call is over its time and has not arrived meanwhile."""
        if self._closed.is_set() or self._stopped():
            raise Stopped(f"remote {self.remote.name}: stopped while it was asked")
        if all_heard and any(call.ends < time.monotonic() for call in flying):
            raise too_slow(self.remote)


def _request(remote: Remote, path: str, key: str, body: dict[str, Any] | None = None) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "vlm-negative"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return urllib.request.Request(remote.url + path, json.dumps(body).encode() if body else None, headers)


def _question(
    remote: Remote, picture: str, question: str, topk: int, prompting: Prompting, shown: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """The body of a chat completion; `shown` are the examples: picture, question, answer."""
    own = remote.instruction if prompting.instruction is None else prompting.instruction
    instruction = LISTED.format(topk=topk) if topk > 1 else own
    turns = []
    for seen, asked, answer in shown:
        turns += [_turn(seen, f"{asked} {instruction}".strip()), {"role": "assistant", "content": answer}]
    turns.append(_turn(picture, f"{question} {instruction}".strip()))
    most = max(prompting.tokens, remote.max_tokens) * topk  # a server that thinks was given more
    body: dict[str, Any] = {"model": remote.model, "messages": turns}
    body |= {"max_tokens": most, "temperature": remote.temperature, "seed": remote.seed}
    if remote.logprobs and topk == 1:
        body["logprobs"] = True
    if remote.keep_alive:
        seconds = re.fullmatch(r"-?\d+", remote.keep_alive)
        body["keep_alive"] = int(remote.keep_alive) if seconds else remote.keep_alive
    return body


def _turn(picture: str, text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": text}]}


def data_url(image: Image.Image, side: int, quality: int) -> str:
    """The image as a data URL: shrunk to `side` pixels if its longer side has more, a PNG if `quality` is 0, else a JPEG."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if quality:
        small.save(file, "JPEG", quality=quality)
    else:
        small.save(file, "PNG", compress_level=1)
    return f"data:image/{'jpeg' if quality else 'png'};base64,{base64.b64encode(file.getvalue()).decode()}"
