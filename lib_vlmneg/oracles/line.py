"""The line to a worker's process. One thread carries all that is said, so that no end that hangs holds up who waits."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from queue import Empty, SimpleQueue
from typing import Any

from .worker_main import Message, prompt, receive, send


class Line:
    """Waits at `address` for the one who knows `secret`, hears it once, then asks and hears in turn."""

    def __init__(self):
        self.secret = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self.secret)
        self.address = self._listener.address
        self._asked: SimpleQueue[Message | None] = SimpleQueue()
        self._said: SimpleQueue[Message | Exception] = SimpleQueue()
        self._socket: socket.socket | None = None
        self._over = False
        self.thread = threading.Thread(target=self._carry, daemon=True, name="vlm-negative line")
        self.thread.start()

    def ask(self, header: dict[str, Any], frames: Sequence[bytes]) -> None:
        """Sends a message, later; what becomes of it is heard."""
        self._asked.put((header, list(frames)))

    def heard(self, seconds: float) -> Message | None:
        """What is said next; None where nothing is, for so long.

        Raises EOFError or OSError when the other end is gone, ValueError when what it said is no message.
        """
        try:
            said = self._said.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(said, Exception):
            raise said
        return said

    def hang_up(self) -> None:
        """Ends the line, and the thread, whatever it is at."""
        self._over = True
        self._asked.put(None)
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)  # not close: the thread may be reading
            else:
                socket.create_connection(self.address, 1).close()  # a knock, for the thread that still waits at the door

    def _carry(self) -> None:
        try:
            with self._listener:
                connection = self._accept()
            with connection, socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as self._socket:
                self._said.put(receive(prompt(connection)))
                for header, frames in iter(self._asked.get, None):
                    with suppress(OSError):  # that it has gone is heard next
                        send(connection, header, frames)
                    self._said.put(receive(connection))
        except (EOFError, OSError) as gone:
            self._said.put(gone)
        except Exception as error:  # whatever comes of reading what is no message
            self._said.put(ValueError(f"{type(error).__name__}: {error}"))

    def _accept(self) -> Connection:
        """Lets in the one who knows the secret."""
        while not self._over:
            with suppress(AuthenticationError, EOFError, OSError):
                return self._listener.accept()
        raise EOFError
