"""What a chat server's replies mean: answers, or what to tell the user. No text of a server leaves with the key in it."""

from __future__ import annotations

import html
import http.client
import json
import math
import re
import socket
import ssl
import urllib.parse
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.error import URLError

from ..errors import InputError
from .base import Answer
from .remotes import Remote
from .wire import MOST_BYTES, Reply

MOST_SHOWN = 200  # characters of a server's text in a message
MOST_SAID = 500  # characters of one answer
SECRET = 6  # characters; a shorter key is a placeholder for a local server, and may be part of any word
NO_MODEL = re.compile(r"model\b.*\b(?:not found|not exist|unknown|unavailable)|(?:unknown|no such|invalid) model", re.I)
BETWEEN = re.compile(r"(?:^|[,;\n])(?:\s*\d+[.)])?")  # what parts the items of a list, numbered or not


class Again(Exception):
    """Another try may help; after the last, `error` is what to raise."""

    def __init__(self, error: Exception, wait: float = 0.0):
        super().__init__(str(error))
        self.error, self.wait = error, wait


class NoModel(Exception):
    """The server knows no such model, or has nothing at that path."""


def judged(remote: Remote, outcome: Reply | Exception, key: str) -> Any:
    """The JSON of a good answer. Raises Again where another try may help, NoModel, InputError or RuntimeError."""
    said = f"remote {remote.name}"
    if isinstance(outcome, Exception):
        raise _lost(remote, outcome, key)
    status, body = outcome.status, outcome.body
    if len(body) > MOST_BYTES:
        raise RuntimeError(f"{said}: its answer is longer than {MOST_BYTES} bytes; is url {remote.url} that of a chat server?")
    reply = _parsed(body)
    reason = _reason(body, reply, key)
    if 200 <= status < 300:
        if reply is None:
            raise Again(RuntimeError(f"{said}: no JSON in its answer ({reason}); is url {remote.url} that of a chat server?"))
        return reply
    if status in (401, 403):
        raise InputError(_no_entry(remote))
    if status == 404 or (status == 400 and NO_MODEL.search(reason)):
        raise NoModel(reason)
    if status == 429:
        raise Again(RuntimeError(f"{said} is asked too much (HTTP 429: {reason}); make parallel smaller"), outcome.wait)
    if status >= 500:
        raise Again(RuntimeError(f"{said} fails (HTTP {status}: {reason}); look at the server's log"), outcome.wait)
    if 300 <= status < 400:
        raise InputError(f"{said}: url: sends on to {line(outcome.location, key)!r}, which is not followed; correct url")
    raise InputError(
        f"{said} refuses the request (HTTP {status}: {reason}); check that model {remote.model!r} is there and takes images"
    )


def _no_entry(remote: Remote) -> str:
    place = remote.key_env or remote.key_file
    if not place:
        return (
            f"remote {remote.name} wants a key; name the environment variable that holds it in key_env, or a file in key_file"
        )
    return f"remote {remote.name} refuses the key; check what {place} holds, and that it may use model {remote.model!r}"


def too_slow(remote: Remote) -> Exception:
    """What to raise when a server takes longer than it may."""
    return RuntimeError(
        f"remote {remote.name}: no whole answer within {remote.timeout:g} s; make timeout larger, or side or parallel smaller"
    )


def _lost(remote: Remote, error: Exception, key: str) -> Exception:
    """What to raise for a connection that did not come about, or broke."""
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    said = f"remote {remote.name}: url: {remote.url}"
    reason = line(getattr(cause, "strerror", None) or str(cause), key) or type(cause).__name__
    if isinstance(cause, TimeoutError):
        return too_slow(remote)
    if isinstance(cause, socket.gaierror):
        return InputError(f"{said} has no machine behind it ({reason}); correct the name")
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return InputError(f"{said} has no trusted TLS ({line(str(cause), key)}); correct url, or the server's certificate")
    if isinstance(cause, ConnectionRefusedError):
        return Again(InputError(f"{said} does not answer ({reason}); start the server, or correct url"))
    if isinstance(cause, (OSError, http.client.HTTPException)):
        return Again(RuntimeError(f"{said} breaks the connection ({reason}); look at the server's log"))
    return RuntimeError(f"{said} cannot be asked ({type(cause).__name__}: {reason})")


def answers_in(remote: Remote, reply: Any, topk: int, key: str) -> list[Answer]:
    """The answers in a chat completion."""
    said = f"remote {remote.name}"
    try:
        choice = reply["choices"][0]
        content, cut = choice["message"]["content"], choice.get("finish_reason") == "length"
    except (LookupError, TypeError, AttributeError):
        reason = _reason(repr(reply).encode("utf-8", "replace"), reply, key)
        raise RuntimeError(f"{said}: no choices[0].message.content in its answer ({reason}); is it a chat server?") from None
    if not isinstance(content, str):
        what = "null" if content is None else line(repr(content), key)
        raise RuntimeError(
            f"{said}: content is {what} in place of a text; choose a model that answers without thinking or tools"
        )
    text = content.rpartition("</think>")[2].strip()
    if text.startswith("<think>") or (cut and not text):
        raise RuntimeError(
            f"{said}: max_tokens: {remote.max_tokens} are used up by thinking; make it larger, or switch that off"
        )
    if topk > 1:
        items = (line(item, key, MOST_SAID).strip(" .\"'*-") for item in BETWEEN.split(text))
        return [Answer(item) for item in dict.fromkeys(items) if item][:topk]
    text = line(text, key, MOST_SAID)
    return [Answer(text, _score(choice) if remote.logprobs else None)] if text else []


def _score(choice: dict[str, Any]) -> float | None:
    """The probability of the whole answer, where the server gave that of each token."""
    try:
        total = sum(float(token["logprob"]) for token in choice["logprobs"]["content"])
    except (LookupError, TypeError, ValueError):
        return None
    return None if math.isnan(total) else round(math.exp(min(total, 0.0)), 4)


def model_names(reply: Any) -> list[str]:
    """The names in a list of models, sorted. It raises anything if that is not what it is given."""
    return sorted(str(model["id"]) for model in reply["data"])


def _parsed(body: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def _reason(body: bytes, reply: Any, key: str) -> str:
    """What an answer says has gone wrong, in the shapes that servers have for it; else all of it."""
    error = reply.get("error", reply) if isinstance(reply, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail")
    return line(error if isinstance(error, str) else body.decode("utf-8", "replace"), key) or "no reason given"


def line(text: str, key: str, most: int = MOST_SHOWN) -> str:
    """A server's text on one short line, without the key."""
    if len(key) >= SECRET:
        ways = {key, html.escape(key), urllib.parse.quote(key, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1]}
        text = re.sub("|".join(re.escape(way) for way in sorted(ways, key=len, reverse=True)), "***", text, flags=re.I)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
