"""The inputs of a denoiser's call: its rows taken out, and what they read of a prompt put in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .families.family import Family, Inputs, Part

Text = Mapping[str, Tensor | None]  # by path: a row's slice of each input that is made of the prompt


def bound(module: nn.Module, args: tuple, kwargs: Mapping[str, Any]) -> Inputs:
    """What a denoiser is called with, by name."""
    names = inspect.signature(type(module).forward).parameters
    return {**dict(zip(list(names)[1:], args)), **kwargs}


def get(inputs: Mapping[str, Any], path: str) -> Any:
    """The input at a path such as added_cond_kwargs.text_embeds; None where there is none."""
    for name in path.split("."):
        inputs = inputs.get(name) if inputs is not None else None
    return inputs


def put(inputs: Inputs, path: str, value: Any) -> Inputs:
    """The inputs with another there; what was given stays as it is."""
    name, _, rest = path.partition(".")
    return {**inputs, name: put(inputs[name], rest, value) if rest else value}


def count_rows(inputs: Inputs, family: Family) -> int:
    """How many rows a call has."""
    part = family.parts[0]
    value = get(inputs, part.path)
    return value.shape[part.rows] if part.rows else len(value)


def chosen_rows(inputs: Inputs, family: Family, rows: Sequence[int]) -> Inputs:
    """The inputs of these rows alone. A tensor as long as there are rows has one for each, unless the family shares it."""
    count = count_rows(inputs, family)
    if list(rows) == list(range(count)):
        return inputs
    found = {}
    for name, value in inputs.items():
        listed = name in family.lists and value is not None
        found[name] = [value[row] for row in rows] if listed else _of_rows(value, count, rows)
    found |= {name: inputs[name] for name in family.shared if name in inputs}
    for part in family.parts:
        if part.rows:
            value = _stacked_rows(get(inputs, part.path).movedim(part.rows, 0), rows)
            found = put(found, part.path, value.movedim(0, part.rows))
    return found


def _of_rows(value: Any, count: int, rows: Sequence[int]) -> Any:
    if isinstance(value, Tensor):
        return _stacked_rows(value, rows) if value.ndim and len(value) == count else value
    if isinstance(value, dict):
        return {name: _of_rows(inner, count, rows) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_of_rows(inner, count, rows) for inner in value)
    return value


def _stacked_rows(value: Tensor, rows: Sequence[int]) -> Tensor:
    """Without an index tensor, which would have to be brought to the device."""
    first = rows[0]
    if list(rows) == list(range(first, first + len(rows))):
        return value[first : first + len(rows)]
    return torch.stack([value[row] for row in rows])


def with_texts(inputs: Inputs, family: Family, texts: Mapping[int, Text]) -> Inputs:
    """The inputs with the texts of these rows in them; all rows must be of one shape, see `shape`."""
    own = get(inputs, family.parts[0].path)
    for part in family.parts if texts else ():
        inputs = put(inputs, part.path, _replaced(get(inputs, part.path), part, texts, own))
    return inputs


def _replaced(own: Any, part: Part, texts: Mapping[int, Text], embeds: Any) -> Any:
    """Those of the rows in `texts` replaced; `embeds` are those that the call has itself."""
    if isinstance(own, list):
        return [texts[row][part.path].to(value) if row in texts else value for row, value in enumerate(own)]
    given = {row: text[part.path] for row, text in texts.items()}
    if any(value is None for value in given.values()):  # nothing is masked, in any row: see `shape`
        return None
    if own is None:
        return torch.stack([given[row] for row in range(len(given))], part.rows)
    length = embeds.shape[1] if part.grows else None
    values = enumerate(own.unbind(part.rows))
    return torch.stack([_fitted(given[row], value, length) if row in given else value for row, value in values], part.rows)


def _fitted(text: Tensor, own: Tensor, length: int | None) -> Tensor:
    """As the own; behind so many tokens of its text are the image's, which stay."""
    text = text.to(own.device, own.dtype)
    return text if length is None else torch.cat([text, own[length:]])


def shape(inputs: Inputs, family: Family, row: int, text: Text | None) -> tuple[Any, ...]:
    """What must be the same of two rows for them to be in one call; of a row's own text where `text` is None."""
    found = []
    for part in family.parts:
        own = get(inputs, part.path)
        if not isinstance(own, list) and not part.grows:
            value = text[part.path] if text is not None else None if own is None else own.select(part.rows, row)
            found.append(None if value is None else tuple(value.shape))
    return tuple(found)


def groups(inputs: Inputs, family: Family, wanted: Sequence[tuple[int, Text | None]]) -> list[list[int]]:
    """The places in `wanted` (rows, and the text that each reads) of those that can be in one call together."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for place, (row, text) in enumerate(wanted):
        found.setdefault(shape(inputs, family, row, text), []).append(place)
    return list(found.values())


def text_of(outputs: Mapping[str, Any], family: Family, prefix: str) -> Text:
    """A row's text out of what encode_prompt gave for one prompt."""
    return {part.path: _first_row(outputs.get(prefix + part.name), part) for part in family.parts}


def _first_row(value: Any, part: Part) -> Tensor | None:
    """That of a list with one for each row, or of a tensor."""
    if value is None:
        return None
    row = value[0] if isinstance(value, list) else value.select(part.rows, 0)
    return torch.tensor(len(row), device=row.device) if part.length else row


def joined_chunks(chunks: Sequence[Text], family: Family) -> Text:
    """One text of several that were encoded apart, one behind the other; what is no sequence of tokens is the first's."""
    first, *_ = chunks
    if len(chunks) == 1:
        return first
    return {
        path: torch.cat([chunk[path] for chunk in chunks]) if value is not None and value.ndim > 1 else value
        for path, value in first.items()
    }
