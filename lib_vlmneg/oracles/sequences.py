"""Answers of models that write them token by token: k answers by k beams, each with its probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .base import Answer

MOST_TOKENS = 10


@torch.no_grad()
def write(model: Any, topk: int, tokens: int = MOST_TOKENS, **inputs: Any) -> tuple[Tensor, list[float]]:
    """The `topk` likeliest sequences [rows * topk, length] of `model.generate`, and the probability of each, from 0 to 1."""
    made = model.generate(
        **inputs,
        do_sample=False,
        num_beams=topk,
        num_return_sequences=topk,
        **({"length_penalty": 0.0} if topk > 1 else {}),  # then a beam's score is the logarithm of its probability
        max_new_tokens=tokens,
        output_scores=True,
        return_dict_in_generate=True,
    )
    end = inputs.get("eos_token_id", model.generation_config.eos_token_id)
    logarithms = made.sequences_scores if topk > 1 else _greedy(model, made, end)
    return made.sequences, logarithms.float().exp().clamp(0, 1).tolist()


def _greedy(model: Any, made: Any, end: int | list[int] | None) -> Tensor:
    """[rows]: the logarithm of each sequence's probability, up to its end; what is padded behind that does not count."""
    steps = model.compute_transition_scores(made.sequences, made.scores, normalize_logits=True)
    ends = torch.tensor([] if end is None else end, dtype=torch.long, device=steps.device)
    ended = torch.isin(made.sequences[:, -steps.shape[1] :], ends).long()
    return steps.masked_fill(ended.cumsum(1) - ended > 0, 0).sum(1)


def grouped(
    sequences: Tensor, scores: Sequence[float], decode: Callable[[Tensor], list[str]], images: int, questions: int
) -> list[list[list[Answer]]]:
    """For each image, for each question, its answers; rows are images x questions x answers."""
    answers = [Answer(text.strip(), round(score, 4)) for text, score in zip(decode(sequences), scores)]
    each = len(answers) // (images * questions)
    groups = [answers[start : start + each] for start in range(0, len(answers), each)]
    return [groups[start : start + questions] for start in range(0, len(groups), questions)]
