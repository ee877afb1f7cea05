"""What to look for: a list of things, from a preset, a file of the user's, or as it is typed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import InputError
from .words import key

MOST = 200  # items: each may be a question of its own
SUFFIXES = (".json", ".yaml", ".yml")
FIELDS = ("items", "prefix", "question", "examples")
_ITEM = re.compile(r"(?=.*[^\W\d_])[\w' -]{1,60}")  # no sign that a prompt, or a timeline, reads as its own


@dataclass(frozen=True)
class Vocabulary:
    """Things to look for. `examples` are pictures with the right answer, for a model that chats (Chang et al. 2025)."""

    items: tuple[str, ...]
    prefix: str = ""  # of the negative prompt, where one of them is found
    question: str = "Which of the following can you spot in the image?"
    examples: tuple[tuple[Image.Image, str], ...] = ()


BODY = Vocabulary(  # of Chang et al. 2025
    ("female genitalia", "buttocks", "female breast", "male breast", "anus", "feet", "belly", "armpits", "male genitalia"),
    "Nudity, Sexual",
    "Which of the following bare human body parts can you spot in the image?",
)
ARMS = ("gun", "rifle", "knife", "dagger", "sword", "axe", "bomb", "explosion")
VIOLENCE = Vocabulary(("blood", "wound", "gore", "corpse", "skull", "fight", *ARMS), "Violence")
SAFETY = Vocabulary(("nudity", "bare breasts", "bare buttocks", "genitalia", *VIOLENCE.items))
PRESETS = {"safety": SAFETY, "body": BODY, "violence": VIOLENCE}


def find(text: str, folder: Path | None = None, paths: bool = False) -> Vocabulary | None:
    """The vocabulary that `text` names: a preset, a file in `folder` (with or without its ending), or items between commas or
    line breaks; with `paths` also any file. None for an empty text. Raises InputError.
    """
    if not text:
        return None
    if text in PRESETS:
        return PRESETS[text]
    if path := _file(text, folder, paths):
        return read(path, text)
    if set(text) & set(",\n"):
        return _made([part.strip() for part in re.split(r"[,\n]", text) if part.strip()], "", None)
    where = f"a file in {folder}" if folder else "a file that is there" if paths else "a list"
    raise InputError(
        f"vocabulary: {text!r} is neither a preset ({', '.join(PRESETS)}) nor {where}; correct it, or write items with commas"
    )


def read(path: Path, name: str = "") -> Vocabulary:
    """A list of items as JSON or YAML, or an object: items, and if wanted prefix, question, and examples with image and answer.

    An image is named by its path below the file's folder. Raises InputError.
    """
    name = name or path.name
    body = _parsed(path, name)
    body = {"items": body} if isinstance(body, list) else body
    if not isinstance(body, dict) or not isinstance(body.get("items"), list):
        raise InputError(f'vocabulary {name}: no list of items; write ["knife", "gun"], or {{"items": [...]}}')
    for field in body:
        if field not in FIELDS:
            raise InputError(f"vocabulary {name}: {field!r}: there is no such field; the fields are {', '.join(FIELDS)}")
    made = _made(body["items"], name, path.parent, body.get("examples", []))
    texts = {field: body[field] for field in ("prefix", "question") if field in body}
    for field, value in texts.items():
        if not isinstance(value, str) or not value.strip() or len(value.splitlines()) != 1:
            raise InputError(f"vocabulary {name}: {field}: {value!r} is not a line of text; correct it, or leave it out")
    return Vocabulary(made.items, texts.get("prefix", ""), texts.get("question", Vocabulary.question), made.examples)


def _file(text: str, folder: Path | None, paths: bool) -> Path | None:
    """The file of that name; a folder's files are named without any way to another folder."""
    places = [Path(text)] if paths else []
    if folder and re.fullmatch(r"\w[\w. -]*", text):
        places += [folder / text, *(folder / f"{text}{suffix}" for suffix in SUFFIXES)]
    try:
        return next((place for place in places if place.suffix in SUFFIXES and place.is_file()), None)
    except (OSError, ValueError):  # a list that is no name of a file: too long, or with a null
        return None


def _parsed(path: Path, name: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text)
        import yaml
    except ImportError:
        raise InputError(f"vocabulary {name}: YAML needs the package pyyaml; install it, or write JSON") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"vocabulary {name}: cannot be read as JSON ({_line(error)}); correct {path.name}") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"vocabulary {name}: cannot be read as YAML ({_line(error)}); correct {path.name}") from None


def _made(items: list[Any], name: str, folder: Path | None, examples: Any = ()) -> Vocabulary:
    """Items once each, in their order, and the examples, whose pictures are in `folder`. Raises InputError."""
    said = f"vocabulary {name}".strip()
    for item in items:
        if not isinstance(item, str) or not _ITEM.fullmatch(item.strip()):
            raise InputError(f"{said}: {_line(repr(item))} is no item; write one in letters, digits, blanks and dashes")
    if not 1 <= len(items) <= MOST:
        raise InputError(f"{said}: {len(items)} items; write 1 to {MOST}")
    if not isinstance(examples, (list, tuple)):
        raise InputError(f'{said}: examples: no list; write [{{"image": "bird.png", "answer": "none"}}]')
    shown = tuple(_example(example, said, folder) for example in examples)
    named: dict[str, str] = {}
    for item in items:
        named.setdefault(key(item), " ".join(item.split()))
    return Vocabulary(tuple(named.values()), examples=shown)


def _example(example: Any, said: str, folder: Path) -> tuple[Image.Image, str]:
    fits = isinstance(example, dict) and set(example) == {"image", "answer"}
    if not fits or not all(isinstance(value, str) for value in example.values()):
        raise InputError(f'{said}: examples: {_line(repr(example))} is not like {{"image": "bird.png", "answer": "none"}}')
    place = Path(example["image"])
    if place.is_absolute() or ".." in place.parts:
        raise InputError(f"{said}: examples: {example['image']!r} is not below the file's folder; put the picture there")
    try:
        with Image.open(folder / place) as image:
            return image.convert("RGB"), example["answer"].strip()
    except (OSError, ValueError) as error:
        raise InputError(f"{said}: examples: {example['image']!r} cannot be read ({_line(error)}); correct it") from None


def _line(said: object) -> str:
    return " ".join(str(said).split())[:200]
