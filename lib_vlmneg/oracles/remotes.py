"""Which servers there are and how to ask them: read from JSON and checked once."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import InputError

KEY_NAMES = ("key", "apikey", "token", "accesstoken", "authtoken", "bearer", "authorization", "password", "secret")


def limited(default: float, low: float, high: float) -> Any:
    """A field of `Remote` that is a number from `low` to `high`."""
    return field(default=default, metadata={"fits": lambda value: low <= value <= high, "wanted": f"from {low} to {high}"})


def written(default: Any, pattern: str, wanted: str) -> Any:
    """A field of `Remote` that is a text of that pattern."""
    return field(default=default, metadata={"fits": re.compile(pattern).fullmatch, "wanted": wanted})


def switch(default: bool) -> Any:
    """A field of `Remote` that is on or off."""
    return field(default=default, metadata={"fits": lambda value: True, "wanted": "true or false"})


@dataclass(frozen=True)
class Remote:
    """A server and how to ask it. Raises InputError. It knows where the key is, never the key itself."""

    name: str = written(MISSING, r"[\w.-]{1,64}", "up to 64 letters, digits, points and dashes")
    url: str = written(MISSING, r"(?!.*[?#@])https?://[!-~]+", "a URL without user or parameters: http://127.0.0.1:8000/v1")
    model: str = written(MISSING, r".*\S.*", "the name that the server has for it")
    key_env: str = written("", r"([A-Z_][A-Z0-9_]*)?", "the name (A-Z, 0-9, _) of an environment variable that holds the key")
    key_file: str = written("", r"([/~\\]|\w:).+|", "the path from / or ~ of a file that holds the key")
    side: int = limited(384, 16, 4096)  # pixels of the longer side; a larger image is shrunk to it
    quality: int = limited(0, 0, 100)  # of a JPEG; 0 is a PNG
    timeout: float = limited(30.0, 0.1, 3600.0)  # seconds for one question, from connecting to the end of the answer
    retries: int = limited(3, 0, 20)
    parallel: int = limited(4, 1, 64)  # requests on their way at once, at most
    max_tokens: int = limited(12, 1, 4096)  # of one answer; a list of k answers may have k times as many
    instruction: str = written("Answer with a single word.", r"(?s).*", "a text")
    keep_alive: str = written("", r"(-?\d+|-?([\d.]+[a-z]+)+)?", "seconds, or a time such as 10m")  # of the model, in Ollama
    seed: int = limited(0, -(2**31), 2**31 - 1)
    temperature: float = limited(0.0, 0.0, 2.0)
    logprobs: bool = switch(False)  # ask for the probabilities of the tokens, and score an answer with them
    cache: bool = switch(False)  # take it to say the same of the same picture, and ask it once

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(self.name, item, getattr(self, item.name)))
        if self.key_env and self.key_file:
            raise InputError(f"remote {self.name}: key_env and key_file are both set; leave one of them out")

    def key(self) -> str:
        """The key as it is now, or nothing. Raises InputError, which does not tell it."""
        if not self.key_env and not self.key_file:
            return ""
        where = f"remote {self.name}: {'key_env' if self.key_env else 'key_file'}: {self.key_env or self.key_file}"
        try:
            found = os.environ.get(self.key_env) if self.key_env else Path(self.key_file).expanduser().read_text("utf-8")
        except (OSError, ValueError, RuntimeError):
            raise InputError(f"{where} cannot be read; put the key, and nothing else, into that file") from None
        key = (found or "").strip()
        if not re.fullmatch(r"[!-~]+", key):
            reason = "holds what cannot be a key" if key else "is empty" if self.key_file else "is not set"
            raise InputError(f"{where} {reason}; put the key there, on one line and without quotes")
        return key


def _checked(remote: Any, item: Any, value: Any) -> Any:
    """`value` as the field's own type, or InputError; what may be a key in the wrong place is not shown."""
    kinds = {"str": str, "int": int, "float": (int, float), "bool": bool}[item.type]
    right = isinstance(value, kinds) and (item.type == "bool" or not isinstance(value, bool))
    if not right or not item.metadata["fits"](value):
        secret = item.name.startswith("key_") or (item.name == "url" and set("?#@") & set(str(value)))
        said = "remotes" if item.name == "name" else f"remote {remote}"
        shown = "it" if secret else repr(value)
        raise InputError(f"{said}: {item.name}: {shown} is not {item.metadata['wanted']}; correct it")
    if item.name == "url":
        return _checked_url(remote, value)
    return float(value) if item.type == "float" else value


def _checked_url(remote: str, value: str) -> str:
    with suppress(ValueError):
        parts = urllib.parse.urlsplit(value)
        if parts.hostname and parts.port != 0:  # to read the port raises if it is none
            return value.rstrip("/").removesuffix("/chat/completions")
    raise InputError(f"remote {remote}: url: {value!r} has no host, or a port that is none; correct it")


def read_remotes(text: str) -> dict[str, Remote]:
    """Remotes by name, from a JSON list of objects with the fields of `Remote`; no text is no remotes. Raises InputError."""
    shape = 'write [{"name": ..., "url": ..., "model": ...}]'
    try:
        entries = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        raise InputError(f"remotes: not JSON ({error}); {shape}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"remotes: not a list of objects; {shape}")
    found: dict[str, Remote] = {}
    for entry in entries:
        remote = _read_entry(entry)
        if remote.name in found:
            raise InputError(f"remotes: name: {remote.name!r} is there twice; give each remote a name of its own")
        found[remote.name] = remote
    return found


def _read_entry(entry: dict[str, Any]) -> Remote:
    known = [item.name for item in fields(Remote)]
    for name in entry:
        if re.sub(r"[^a-z]", "", name.lower()) in KEY_NAMES:
            raise InputError(f"remotes: {name!r}: a key is not written here; name where it is, in key_env or key_file")
        if name not in known:
            raise InputError(f"remotes: {name!r}: there is no such field; the fields are {', '.join(known)}")
    for name in ("name", "url", "model"):
        if name not in entry:
            raise InputError(f"remotes: {name}: missing in remote {entry.get('name', '')!r}; write it")
    return Remote(**entry)
