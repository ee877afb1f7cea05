"""What a pipeline's own encode_prompt makes of other texts: its calls in this run, made again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

from ...negatives import Room
from .families.family import Family, Reader
from .inputs import Text, joined_chunks, text_of
from .pieces import pieces

KEPT = ("prompt_template", "system_prompt")  # arguments of encode_prompt that are no texts to be read in the place of others


class Encoder:
    """Encodes negative prompts one by one, in the way of the run that is `recorded`: lengths, templates, clip_skip and all.

    Those asked for last are kept, and the user's `own` for the whole run.
    """

    def __init__(self, pipe: Any, family: Family, own: Sequence[str], length: int | None = None):
        self._pipe, self._family, self._own = pipe, family, own
        self.room = room(pipe, family, length)
        self._given: dict[Any, tuple[dict[str, Any], Mapping[str, Any]]] = {}  # by which of the text encoders it was called for
        self._kept: dict[str, Text] = {}
        self._plain: Callable[..., Any] = pipe.encode_prompt
        self._names = inspect.signature(self._plain)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """While entered, what the pipeline calls encode_prompt with is remembered; nothing of it stays."""
        pipe, before = self._pipe, vars(self._pipe).get("encode_prompt")

        @wraps(self._plain)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            found = self._plain(*args, **kwargs)
            given = self._names.bind(*args, **kwargs).arguments
            given |= given.pop("kwargs", {})
            self._given[given.get(self._family.encoder)] = given, self._named(found)
            return found

        pipe.encode_prompt = encode_prompt
        try:
            yield
        finally:
            self._given.clear()
            self._kept.clear()
            del pipe.encode_prompt
            if before is not None:
                pipe.encode_prompt = before

    def has(self, prompts: Sequence[str], number: int) -> bool:
        """As push.Encoder."""
        return all(prompt in self._kept for prompt in prompts)

    def texts(self, prompts: Sequence[str], number: int) -> list[Text]:
        """As push.Encoder."""
        if not self.has(prompts, number):
            kept = {prompt: text for prompt, text in self._kept.items() if prompt in prompts or prompt in self._own}
            self._kept = kept | {prompt: self._encoded(prompt) for prompt in dict.fromkeys(prompts) if prompt not in kept}
        return [self._kept[prompt] for prompt in prompts]

    def _encoded(self, prompt: str) -> Text:
        return joined_chunks([self.one(chunk) for chunk in self.chunks(prompt)], self._family)

    def chunks(self, prompt: str) -> list[str]:
        """The pieces in which a prompt is read; one where it is read at once."""
        if self._family.reader.chunk is None or self.room is None:
            return [prompt]
        return pieces(prompt, self.room.count, self.room.chunk)

    @property
    def longest(self) -> int:
        """The tokens that the pipeline is called with, where it says how many."""
        given, _ = next(iter(self._given.values()))
        return given.get("max_sequence_length") or self._names.parameters["max_sequence_length"].default

    @torch.no_grad()
    def one(self, prompt: str, **changed: Any) -> Text:
        """What is read of a text that needs no chunks, as the negative prompt where the pipeline tells the two apart."""
        if not self._given:
            raise RuntimeError(f"{type(self._pipe).__name__} has not encoded its prompt by encode_prompt")
        prefix = "negative_" if "negative_prompt" in self._names.parameters else ""
        outputs = {}
        for number, (arguments, found) in enumerate(self._given.values()):
            made = self._plain(**arguments | self._wanted(prompt, prefix, found) | changed)
            outputs |= {name + (f"_{number + 1}" if number else ""): value for name, value in self._named(made).items()}
        return text_of(outputs, self._family, prefix)

    def _named(self, made: Any) -> dict[str, Any]:
        """What encode_prompt gave, by name; a list is one thing, a text for each prompt."""
        outputs = dict(zip(self._family.outputs, made if isinstance(made, tuple) else (made,)))
        return self._family.named(self._pipe, outputs) if self._family.named else outputs

    def _wanted(self, prompt: str, prefix: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of encode_prompt for one text that are not the run's; `found` is what the run's own prompt came to."""
        accepted = self._names.parameters
        wanted: dict[str, Any] = dict.fromkeys(name for name in accepted if "prompt" in name and name not in KEPT)
        if prefix and not self._family.together:
            rows = {part.name: part.rows for part in self._family.parts}
            own = {name: value for name, value in found.items() if not name.startswith(prefix) and value is not None}
            wanted |= {name: _first(value, rows.get(name, 0)) for name, value in own.items()}
        zeros = not prompt and getattr(self._pipe.config, "force_zeros_for_empty_prompt", False)
        wanted |= {"prompt": [""], f"{prefix}prompt": None if zeros else [prompt]}
        wanted |= dict.fromkeys(("num_images_per_prompt", "num_videos_per_prompt", "batch_size"), 1)
        wanted |= {"do_classifier_free_guidance": True, "guidance_scale": 2.0}
        return {name: value for name, value in wanted.items() if name in accepted}


def _first(value: Any, rows: int) -> Any:
    """The first prompt's row, for one encode_prompt."""
    return value[:1] if isinstance(value, list) else value.narrow(rows, 0, 1)


def room(pipe: Any, family: Family, length: int | None = None, prompt: str = "") -> Room | None:
    """How much of a text is read, beside that prompt; None where no tokenizer tells. `length` is what the run gives for it."""
    reader, tokenizer = family.reader, pipe
    for name in reader.tokenizer.split("."):
        tokenizer = getattr(tokenizer, name, None)
    chunk = reader.chunk
    if tokenizer is None:  # SD3 without its T5
        tokenizer, chunk = getattr(pipe, "tokenizer", None), 75
    if tokenizer is None:
        return None
    most = None if reader.chunk else 1
    if chunk is None:
        longest = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
        known = [length or (longest.default if longest else None), _length(pipe, reader, prompt)]
        if not any(known):
            return None
        chunk = min(filter(None, known)) - len(tokenizer("").input_ids) - reader.template
    return Room(lambda text: len(tokenizer(text, add_special_tokens=False).input_ids), chunk, most)


def _length(pipe: Any, reader: Reader, prompt: str) -> int | None:
    """What is read whatever the pipeline's max_sequence_length, where that is known."""
    return reader.length(pipe, prompt) if callable(reader.length) else reader.length
