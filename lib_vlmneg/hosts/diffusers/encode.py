"""What a pipeline's own encode_prompt makes of other texts: its calls in this run, made again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

from ...negatives import Room
from .families.family import Family
from .inputs import Text, joined_chunks, text_of
from .pieces import pieces


class Encoder:
    """Encodes negative prompts one by one, in the way of the run that is `recorded`: lengths, templates, clip_skip and all.

    Those asked for last are kept, and the user's `own` for the whole run.
    """

    def __init__(self, pipe: Any, family: Family, own: Sequence[str], length: int | None = None):
        self._pipe, self._family, self._own = pipe, family, own
        self.room = room(pipe, family, length)
        self._given: tuple[dict[str, Any], Mapping[str, Any]] | None = None
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
            self._given = dict(self._names.bind(*args, **kwargs).arguments), dict(zip(self._family.outputs, found))
            return found

        pipe.encode_prompt = encode_prompt
        try:
            yield
        finally:
            self._given = None
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
        return self._given[0].get("max_sequence_length") or self._names.parameters["max_sequence_length"].default

    @torch.no_grad()
    def one(self, prompt: str, **changed: Any) -> Text:
        """What is read of a text that needs no chunks, as the negative prompt where the pipeline tells the two apart."""
        if self._given is None:
            raise RuntimeError(f"{type(self._pipe).__name__} has not encoded its prompt by encode_prompt")
        arguments, found = self._given
        accepted = self._names.parameters
        prefix = "negative_" if "negative_prompt" in accepted else ""
        wanted = dict.fromkeys(name for name in accepted if "prompt" in name)
        wanted |= {name: _first(value) for name, value in found.items() if prefix and not name.startswith(prefix)}
        zeros = not prompt and getattr(self._pipe.config, "force_zeros_for_empty_prompt", False)
        wanted |= {"prompt": [""], f"{prefix}prompt": None if zeros else [prompt]}
        wanted |= {"do_classifier_free_guidance": True, "num_images_per_prompt": 1, "num_videos_per_prompt": 1} | changed
        given = arguments | {name: value for name, value in wanted.items() if name in accepted}
        outputs = self._plain(**given)
        return text_of(dict(zip(self._family.outputs, outputs)), self._family, prefix)


def _first(value: Any) -> Any:
    """The first prompt's row, for one encode_prompt."""
    return None if value is None else value[:1]


def room(pipe: Any, family: Family, length: int | None = None) -> Room | None:
    """How much of a text is read; None where no tokenizer tells. `length` is the run's max_sequence_length."""
    reader = family.reader
    tokenizer, chunk = getattr(pipe, reader.tokenizer, None), reader.chunk
    if tokenizer is None:  # SD3 without its T5
        tokenizer, chunk = getattr(pipe, "tokenizer", None), 75
    if tokenizer is None:
        return None
    most = None if reader.chunk else 1
    if chunk is None:
        longest = inspect.signature(pipe.__call__).parameters.get("max_sequence_length")
        longest = length or (longest.default if longest else 0)
        if not longest:
            return None
        chunk = longest - len(tokenizer("").input_ids) - reader.template
    return Room(lambda text: len(tokenizer(text, add_special_tokens=False).input_ids), chunk, most)
