"""A newer transformers in a folder of ours, for a WorkerOracle to load from: the host's own packages stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import DEVNULL, PIPE, STDOUT, Popen

from ..errors import InputError
from .stopped import Stopped

MARKER = "installed.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # what the compiled ones among the packages are made for

COMMON = tuple(
    "fsspec==2026.9.0 hf-xet==1.8.0 idna==3.20 num2words==0.5.14 packaging==26.3 pyyaml==6.0.3 safetensors==0.8.0 "
    "tqdm==4.70.1 typing_extensions==4.16.0".split()
)
HUB_0 = tuple(
    "huggingface-hub==0.36.2 certifi==2026.10.18 charset-normalizer==3.5.2 filelock==4.1.0 regex==2026.9.29 "
    "requests==2.34.2 urllib3==2.8.0".split()
)
HUB_2 = tuple(
    "huggingface-hub==2.4.0 anyio==4.16.0 filelock==4.2.11 h11==0.16.0 httpcore2==2.16.2 httpx2==2.16.2 "
    "regex==2026.11.15 truststore==0.10.5".split()
)


@dataclass(frozen=True)
class Release:
    """Packages that work together: all that transformers imports but torch and what comes with it, numpy and Pillow."""

    torch: tuple[int, int]  # the oldest that they work with
    python: tuple[int, int]
    packages: tuple[str, ...]


RELEASES = (  # the newest first
    Release((2, 6), (3, 11), ("transformers==5.23.0", "tokenizers==0.23.3", *HUB_2, *COMMON)),
    Release((2, 2), (3, 10), ("transformers==4.57.6", "tokenizers==0.22.2", *HUB_0, *COMMON)),
    Release((2, 1), (3, 10), ("transformers==4.55.4", "tokenizers==0.21.4", *HUB_0, *COMMON)),
)


def requirements_for(torch: str, python: tuple[int, int] = sys.version_info[:2]) -> tuple[str, ...]:
    """The newest packages that work with a version of torch and of Python. Raises InputError."""
    have = tuple(int(part) for part in torch.split("+")[0].split(".")[:2])
    for release in RELEASES:
        if have >= release.torch and python >= release.python:
            return release.packages
    raise InputError(
        f"oracle: torch {torch} on Python {'.'.join(map(str, python))} is too old for newer models, "
        "which need torch 2.1 and Python 3.10 or later; choose a ViLT"
    )


def installed_versions(folder: Path) -> dict[str, str]:
    """Names and versions of the packages in a folder."""
    return {found.metadata["Name"]: found.version for found in distributions(path=[str(folder)])}


def is_installed(folder: Path) -> bool:
    """Whether a folder holds packages for this Python, whole: put there by `install`, or by hand."""
    try:
        return json.loads((folder / MARKER).read_text("utf-8"))["python"] == PYTHON
    except (OSError, ValueError, KeyError, TypeError):
        return "transformers" in installed_versions(folder)


def install(
    folder: Path,
    show: Callable[[str], None],
    stopped: Callable[[], bool],
    python: str = sys.executable,
    requirements: Sequence[str] | None = None,
    pip_arguments: Sequence[str] = (),
) -> None:
    """Fills a folder with packages, by the pip of `python`; without `requirements`, those for the torch that is here.

    `show` is told what pip says, `stopped` is asked ten times a second. The folder has its name only when it is whole; one that
    is there is replaced. Raises Stopped, and InputError, which names the folder and the command to fill it by hand.
    """
    wanted = requirements_for(version("torch")) if requirements is None else requirements
    part, listing = (folder.with_name(folder.name + end) for end in (".part", ".txt"))
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        listing.write_text("\n".join(wanted) + "\n", "utf-8")
        _pip(python, part, ["-r", str(listing), *pip_arguments], show, stopped)
        said = {"python": PYTHON, "packages": installed_versions(part)}
        (part / MARKER).write_text(json.dumps(said, indent=1), "utf-8")
        _swap(part, folder)
    except (OSError, _Failed) as error:
        by_hand = f'"{python}" -m pip install --no-deps --target "{folder}" -r "{listing}"'
        reason = " ".join(str(error).split())
        raise InputError(f"oracle: newer packages cannot be installed ({reason}); fill {folder} by hand: {by_hand}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _Failed(Exception):
    pass


def _pip(python: str, folder: Path, what: list[str], show: Callable[[str], None], stopped: Callable[[], bool]) -> None:
    """Runs pip into a folder. Without dependencies: one of them could be a torch."""
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--no-compile",
        "--no-input",
        "--progress-bar=off",
        "--no-warn-script-location",
    ]
    command = [python, "-m", "pip", "install", *options, "--target", str(folder), *what]
    env = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    env |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    said = ["it said nothing"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:  # a pip that is killed leaves its own behind
        env |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        process = Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=env, creationflags=flags)
        try:
            for line in _lines(process):
                if stopped():
                    raise Stopped("oracle: the installation of newer packages was stopped; start it again when you want it")
                if line:
                    said.append(line)
                    show(line)
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
    if process.returncode:
        raise _Failed(next((line for line in reversed(said) if line.startswith("ERROR:")), said[-1]))


def _lines(process: Popen[bytes]) -> Iterator[str]:
    """What a process says, line by line; an empty one whenever it is silent for a tenth of a second."""
    lines: SimpleQueue[str | None] = SimpleQueue()

    def read() -> None:
        with process.stdout as pipe:
            for line in pipe:
                lines.put(line.decode("utf-8", "replace").strip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=0.1)
        except Empty:
            line = ""
        if line is None:
            return
        yield line


def _swap(part: Path, folder: Path) -> None:
    """Puts the one in place of the other, which stays as it was if that fails."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        _rename(folder, old)
    try:
        _rename(part, folder)
    except OSError:
        if old.exists():
            _rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _rename(this: Path, that: Path) -> None:
    """Tries for a second: on Windows, what looks for viruses holds new files for a moment."""
    for _ in range(5):
        try:
            this.rename(that)
            return
        except PermissionError:
            time.sleep(0.2)
    this.rename(that)
