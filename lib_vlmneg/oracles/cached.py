"""The same picture and the same question are asked once: grids, replays with other settings, hires passes of one seed."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PIL import Image

from .base import Answer, Oracle
from .prompting import Prompting, told

MOST = 4096  # questions kept, a few hundred bytes each
Key = tuple[bytes, str, int]


class Cached(Oracle):
    """Another oracle with a memory of its last `most` answers."""

    def __init__(self, oracle: Oracle, most: int = MOST):
        self.oracle = oracle
        self.name, self.input_side = oracle.name, oracle.input_side
        self.scored, self.chats, self.deterministic = oracle.scored, oracle.chats, oracle.deterministic
        self._kept: OrderedDict[Key, list[Answer]] = OrderedDict()
        self._most, self._lock = most, threading.Lock()

    def ask(
        self, images: Sequence[Image.Image], questions: Sequence[str], topk: int, prompting: Prompting | None = None
    ) -> list[list[list[Answer]]]:
        """As the oracle itself; only images with a question that is new are asked about."""
        names = [_digest(image, prompting) for image in images]
        with self._lock:
            new = [index for index, name in enumerate(names) if any((name, text, topk) not in self._kept for text in questions)]
            known = {(name, text): self._kept.get((name, text, topk)) for name in names for text in questions}
        first = {names[index]: index for index in reversed(new)}
        if first:
            how = () if prompting is None else (prompting,)
            replies = self.oracle.ask([images[index] for index in first.values()], questions, topk, *how)
            fresh = {(name, text): group for name, reply in zip(first, replies) for text, group in zip(questions, reply)}
            known |= fresh
            self._keep({(name, text, topk): group for (name, text), group in fresh.items()})
        return [[list(known[name, text]) for text in questions] for name in names]

    @property
    def device(self) -> Any:
        """Where the oracle is; None where that is not here."""
        return getattr(self.oracle, "device", None)

    def move(self, device: str) -> bool:
        """As the oracle itself; what it has said is kept."""
        return self.oracle.move(device)

    def prepare(self) -> None:
        """As the oracle itself."""
        self.oracle.prepare()

    def close(self) -> None:
        """Ends the oracle, and forgets."""
        with self._lock:
            self._kept.clear()
        self.oracle.close()

    def _keep(self, fresh: dict[Key, list[Answer]]) -> None:
        with self._lock:
            self._kept.update(fresh)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _digest(image: Image.Image, prompting: Prompting | None = None) -> bytes:
    """Of a picture, and of how it is asked about."""
    how = b""
    if prompting:
        examples = [_digest(shown) for shown, _, _ in prompting.examples]
        how = repr((told(prompting), examples)).encode()
    return hashlib.blake2b(how + repr((image.mode, image.size)).encode() + image.tobytes(), digest_size=16).digest()
