"""Which models can answer, here and now; and where one cannot, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from . import spare
from .base import Oracle
from .loading import loading, transformers_version
from .packages import is_installed
from .remote import RemoteOracle
from .remotes import Remote
from .worker import WorkerOracle

VILT, BLIP, CHAT = "ViLT", "BLIP", "chat"
REMOTE = "remote:"
INSTEAD = "install newer packages (python install.py --vlm, or a button in the WebUI's settings), or use a remote oracle"


@dataclass(frozen=True)
class Kind:
    """A family of models: what transformers calls its `model_type`, and the first version (major, minor) that loads it."""

    model_type: str
    reader: str
    since: tuple[int, int]
    example: str


KINDS = (
    Kind("vilt", VILT, (4, 16), "dandelin/vilt-b32-finetuned-vqa"),
    Kind("blip", BLIP, (4, 26), "Salesforce/blip-vqa-base"),
    Kind("llava", CHAT, (4, 46), "llava-hf/llava-1.5-7b-hf"),
    Kind("idefics3", CHAT, (4, 46), "HuggingFaceTB/SmolVLM-256M-Instruct"),
    Kind("qwen2_vl", CHAT, (4, 46), "Qwen/Qwen2-VL-2B-Instruct"),
    Kind("qwen2_5_vl", CHAT, (4, 49), "Qwen/Qwen2.5-VL-3B-Instruct"),
    Kind("smolvlm", CHAT, (4, 50), "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"),
    Kind("qwen3_vl", CHAT, (4, 57), "Qwen/Qwen3-VL-2B-Instruct"),
)


@dataclass(frozen=True)
class Means:
    """What a host has beside its own process: servers by name, a folder of newer packages for a worker, and a way to stop."""

    remotes: Mapping[str, Remote] = field(default_factory=dict)
    packages: Path | None = None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Offer:
    """A model or server by a name that `load` takes; `where` it would answer, or why not, and what to do."""

    name: str
    where: str
    usable: bool


def offers(means: Means | None = None) -> list[Offer]:
    """An example of each kind of model, and every server of `means`: what can be used here and now."""
    means = means or Means()
    worker = bool(means.packages and is_installed(means.packages))
    found = []
    for kind in KINDS:
        reason = missing(kind)
        where = "in this process" if reason is None else "in a process of its own" if worker else reason
        found.append(Offer(kind.example, where, reason is None or worker))
    return found + [Offer(REMOTE + name, f"{each.model} at {each.url}", True) for name, each in means.remotes.items()]


def load(name: str, device: str = "auto", dtype: str = "auto", means: Means | None = None) -> Oracle:
    """The oracle of that id on the hub or folder, in this process or in a worker; "remote:NAME" is a server of `means`.

    Raises InputError, which says what to do.
    """
    means = means or Means()
    if name.startswith(REMOTE):
        return _remote(name, means)
    model_type = type_of(name)
    reason = _missing_type(model_type)
    if reason is None:
        return spare.load(name, lambda place: reader_of(model_type)(name, place, dtype), device)
    if means.packages and is_installed(means.packages):
        return WorkerOracle(name, device, dtype, means.packages, stopped=means.stopped)
    raise InputError(f"oracle: {name!r} is a {model_type} model; {reason}")


def reader_of(model_type: str) -> Callable[[str, str, str], Oracle]:
    """What reads models of this type."""
    family = _family(model_type)
    if family == VILT:
        from .vilt import ViltOracle

        return ViltOracle
    if family == BLIP:
        from .blip import BlipOracle

        return BlipOracle
    from .chat import ChatOracle

    return ChatOracle


def family_of(name: str) -> str:
    """VILT, BLIP or CHAT: how a model is asked. Raises InputError."""
    return _family(type_of(name))


def _family(model_type: str) -> str:
    return next((kind.reader for kind in KINDS if kind.model_type == model_type), CHAT)


def _remote(name: str, means: Means) -> Oracle:
    chosen = means.remotes.get(name.removeprefix(REMOTE))
    if chosen is None:
        known = ", ".join(REMOTE + other for other in means.remotes) or "none"
        raise InputError(f"oracle: {name!r} is not among the remotes in the settings, which are: {known}")
    return RemoteOracle(chosen, means.stopped)


def _missing_type(model_type: str) -> str | None:
    """Why the transformers that is here cannot load such a model; None where it can."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = next((kind for kind in KINDS if kind.model_type == model_type), None)
    if kind:
        return missing(kind)
    here = ".".join(map(str, transformers_version()))
    return None if model_type in CONFIG_MAPPING_NAMES else f"transformers {here} does not know it: {INSTEAD}"


def type_of(name: str) -> str:
    """The `model_type` of a model, from its config.json alone; no code of its own is ever run. Raises InputError."""
    from transformers import PretrainedConfig

    with loading(name):
        found, _ = PretrainedConfig.get_config_dict(name)
        if not found.get("model_type"):
            raise OSError("it has no config.json that names a model_type")
    return found["model_type"]


def missing(kind: Kind, version: tuple[int, int] | None = None) -> str | None:
    """Why this kind cannot be loaded in this process, and what to do; None where it can."""
    have = version or transformers_version()
    if have >= kind.since:
        return None
    needed, here = (".".join(map(str, numbers)) for numbers in (kind.since, have))
    return f"it needs transformers {needed}, here is {here}: {INSTEAD}"
