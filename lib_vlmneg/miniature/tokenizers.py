"""Word lists to tokenizers: byte pairs for CLIP, word pieces for ViLT. A known word is one token, any other is spelled."""

from __future__ import annotations

import json
import string
from itertools import pairwise
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"


def clip(words: list[str], folder: Path):
    """A CLIP tokenizer in `folder` (vocab.json, merges.txt): all bytes, and enough merges that each word is one token."""
    from transformers import CLIPTokenizer

    merges = _merges(words)
    letters = _byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {**specials, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps(specials, indent=2))
    return CLIPTokenizer.from_pretrained(folder)


def bert(words: list[str], folder: Path):
    """A word-piece tokenizer in `folder` (vocab.txt): the words, and single letters to spell the others with."""
    from transformers import BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *("##" + letter for letter in letters), *"?.,!'-"]
    tokens = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces, *words])
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 40}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return BertTokenizer.from_pretrained(folder)


def _byte_letters() -> list[str]:
    """The 256 characters that stand for the bytes in GPT-2's and CLIP's encoding."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    other = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + index) for index in range(len(other))]


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, commonest pair first (ties by spelling), until every word is whole."""
    spelled = {word: (*word[:-1], word[-1] + "</w>") for word in words}
    merges = []
    while True:
        counts: dict[tuple[str, str], int] = {}
        for symbols in spelled.values():
            for pair in pairwise(symbols):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = {word: _merge(symbols, best) for word, symbols in spelled.items()}


def _merge(symbols: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged, index = [], 0
    while index < len(symbols):
        if symbols[index : index + 2] == pair:
            merged.append("".join(pair))
            index += 2
        else:
            merged.append(symbols[index])
            index += 1
    return tuple(merged)
