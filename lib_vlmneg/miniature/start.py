"""Beginning with weights that exist: what has the same place there is taken over, word by word and answer by answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

WORDS = ("token_embedding.weight", "word_embeddings.weight")  # a row for each word


def take_over(model: nn.Module, folder: Path, words: Sequence[str] = (), answers: Sequence[str] = ()) -> None:
    """Fills `model` from the safetensors in `folder`. `words` and `answers` name the rows of its embedding and its last layer;
    a row of the folder's goes to where the same word or answer now is, and what is new there stays as it was begun.

    Raises ValueError if the folder's weights are of another shape.
    """
    known = {key: value for path in sorted(folder.glob("*.safetensors")) for key, value in load_file(path).items()}
    state = model.state_dict()
    for key, value in state.items():
        old = known.get(key, known.get(f"text_model.{key}"))
        if old is None:
            raise ValueError(f"{folder} has no {key}: it is of another model")
        if key.endswith(WORDS) and words:
            _rows(value, old, words, _words(folder))
        elif answers and len(value) == len(answers):
            _rows(value, old, answers, _answers(folder))
        elif value.shape == old.shape:
            value.copy_(old)
        else:
            raise ValueError(f"{folder}: {key} is {list(old.shape)}, not {list(value.shape)}")
    model.load_state_dict(state)


def _rows(new: Tensor, old: Tensor, names: Sequence[str], old_names: Sequence[str]) -> None:
    places = {name: index for index, name in enumerate(old_names)}
    for index, name in enumerate(names):
        if name in places:
            new[index] = old[places[name]].float()


def _words(folder: Path) -> list[str]:
    """Of the tokenizer in or beside the folder, in the order of their rows."""
    if (folder / "vocab.txt").exists():
        return (folder / "vocab.txt").read_text().splitlines()
    places = json.loads((folder.parent / "tokenizer" / "vocab.json").read_text())
    return sorted(places, key=places.get)


def _answers(folder: Path) -> list[str]:
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    return [labels[str(index)] for index in range(len(labels))]
