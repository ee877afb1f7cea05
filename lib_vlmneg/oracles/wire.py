"""One request to a server that may do anything: bounded in time and size, ended at will, no redirects."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import math
import queue
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 1 << 20  # of one answer
LONGEST_PAUSE = 10.0  # seconds; a server may ask for more, a picture does not wait for it


@dataclass(frozen=True)
class Reply:
    """What a server sent, not yet read: status, at most MOST_BYTES + 1 bytes of body, and two headers."""

    status: int
    body: bytes
    wait: float  # seconds that the server asks for before the next try
    location: str


class Call:
    """One try at one request, in a daemon thread: whatever the server does, whoever asked can go away."""

    def __init__(
        self,
        number: int,
        tries: int,
        request: urllib.request.Request,
        tls: ssl.SSLContext | None,
        timeout: float,
        arrived: queue.SimpleQueue,
    ):
        self.number, self.tries = number, tries
        self.ends = time.monotonic() + timeout
        self._socket: socket.socket | None = None
        self._cut = False
        threading.Thread(target=self._send, args=(request, tls, timeout, arrived), daemon=True, name="remote oracle").start()

    def cut(self) -> None:
        """Ends it, whatever it is at."""
        self._cut = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def hold(self, connected: socket.socket) -> None:
        """Takes the socket to cut, as soon as there is one."""
        self._socket = connected
        if self._cut:
            self.cut()

    def _send(self, request: Any, tls: ssl.SSLContext | None, timeout: float, arrived: queue.SimpleQueue) -> None:
        outcome: Reply | Exception
        try:
            opener = urllib.request.OpenerDirector()  # a bare one follows no redirect and raises at no status
            for handler in (_proxies(request), _Wire(self.hold, tls), urllib.request.UnknownHandler()):
                opener.add_handler(handler)
            with opener.open(request, timeout=timeout + 1) as reply:  # whoever asked counts the whole time
                wait, location = _seconds(reply.headers.get("Retry-After")), reply.headers.get("Location", "")
                body = reply.read(MOST_BYTES + 1)
                if reply.length and len(body) <= MOST_BYTES:  # which it says to no one who reads with a limit
                    raise http.client.IncompleteRead(body, reply.length)
                outcome = Reply(reply.status, body, wait, location)
        except Exception as error:
            outcome = error
        arrived.put((self, outcome))


class _Wire(urllib.request.AbstractHTTPHandler):
    """Connections that show their socket to `hold` once they have one."""

    def __init__(self, hold: Callable[[socket.socket], None], tls: ssl.SSLContext | None):
        super().__init__()
        self._hold, self._tls = hold, tls

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_shown(http.client.HTTPConnection, self._hold), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_shown(http.client.HTTPSConnection, self._hold), request, context=self._tls)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


def _shown(kind: type[http.client.HTTPConnection], hold: Callable[[socket.socket], None]) -> type[http.client.HTTPConnection]:
    class Shown(kind):
        def connect(self) -> None:
            super().connect()
            hold(self.sock)

    return Shown


def _proxies(request: urllib.request.Request) -> urllib.request.ProxyHandler:
    """Those of the environment, but none to this machine's own addresses."""
    host = urllib.parse.urlsplit(request.full_url).hostname or ""
    here = host == "localhost" or host.endswith(".localhost")
    with suppress(ValueError):
        here = here or ipaddress.ip_address(host).is_loopback
    return urllib.request.ProxyHandler({} if here else None)


def _seconds(retry_after: str | None) -> float:
    """The pause that a Retry-After asks for, as a number or a date, up to LONGEST_PAUSE; 0 without one."""
    try:
        seconds = float(retry_after or 0)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE) if not math.isnan(seconds) else 0.0
