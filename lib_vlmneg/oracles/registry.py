"""Which models can answer, here and now; and where one cannot, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError
from .base import Oracle
from .loading import loading, transformers_version

VILT, BLIP, CHAT = "ViLT", "BLIP", "chat"


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


def load(name: str, device: str = "auto", dtype: str = "auto") -> Oracle:
    """The oracle of that id on the hub or folder, in this process. Raises InputError, which says what to do."""
    return reader_of(name)(name, device, dtype)


def reader_of(name: str) -> Callable[[str, str, str], Oracle]:
    """What reads this model. Raises InputError where the transformers that is here cannot."""
    model_type = type_of(name)
    kind = next((kind for kind in KINDS if kind.model_type == model_type), None)
    if kind and (reason := missing(kind)):
        raise InputError(f"oracle: {name!r} is a {model_type} model; {reason}")
    if kind and kind.reader == VILT:
        from .vilt import ViltOracle

        return ViltOracle
    if kind and kind.reader == BLIP:
        from .blip import BlipOracle

        return BlipOracle
    from .chat import ChatOracle

    return ChatOracle


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
    return f"it needs transformers {needed}, here is {here}: run python install.py --vlm, or use a remote oracle"
