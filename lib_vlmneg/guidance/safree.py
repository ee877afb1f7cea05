"""SAFREE (Yoon et al., ICLR 2025, arXiv 2410.12761): the prompt's own embeddings, projected out of an unsafe concept.

It looks at no picture. What it has no formula for here, its re-weighting of Fourier frequencies in the U-Net, is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class Filter:
    """What is filtered out and how readily: the paper's alpha, upper bound, slope k and centre t_0. Raises InputError.

    `phrases` span the unsafe concept. `most` is the upper bound of the steps that are filtered as a share of the run: the
    public code's 10 of 50. With `validated` False all steps are, without a look at how far the embeddings moved.
    """

    phrases: tuple[str, ...]
    alpha: float = 0.01
    most: float = 0.2
    k: float = 2.5
    t_0: float = 5.333
    validated: bool = True

    def __post_init__(self) -> None:
        if not self.phrases or not all(phrase.strip() for phrase in self.phrases):
            raise InputError("safree: a phrase is missing; name what is unsafe, at least one word")
        if not math.isfinite(self.alpha) or self.alpha < 0:
            raise InputError(f"safree_alpha: {self.alpha} is not 0 or more; give a number such as 0.01")
        if not 0 <= self.most <= 1:
            raise InputError(f"safree_most: {self.most} is no share of the run; give a number from 0 to 1")


def projector(vectors: Tensor) -> Tensor:
    """P = E (E^T E)^+ E^T [D, D]: onto the span of the rows of `vectors` [n, D], which are the columns of the paper's E.

    By the singular vectors, so that rows which depend on each other do no harm.
    """
    _, values, basis = torch.linalg.svd(vectors.double(), full_matrices=False)
    basis = basis[values > values.max() * max(vectors.shape) * torch.finfo(vectors.dtype).eps]
    return (basis.T @ basis).to(vectors.dtype)


def triggers(masked: Tensor, concept: Tensor, alpha: float = 0.01) -> Tensor:
    """Which tokens bring the concept [n]: without them the prompt p_i lies further from it than without the others.

    d_i = ||(I - P_C) p_i||, and token i is one where d_i >= (1 + alpha) mean_{j != i} d_j. `masked` [n, D] has a row p_i
    for each token, the pooled embedding of the prompt with that token masked; `concept` is P_C. A lone token is none.
    """
    distances = (masked - masked @ concept).norm(dim=1)
    count = len(distances)
    if count < 2:
        return torch.zeros(count, dtype=torch.bool, device=masked.device)
    return distances >= (1 + alpha) * (distances.sum() - distances) / (count - 1)


def projected(tokens: Tensor, prompt: Tensor, concept: Tensor) -> Tensor:
    """(I - P_C) P_I e_i for tokens e [n, D]: out of the concept, and within the span of the masked prompts, P_I."""
    inside = tokens @ prompt
    return inside - inside @ concept


def moved(tokens: Tensor, changed: Tensor) -> float:
    """beta = 1 - cos(e, e'), the mean over the tokens [n, D]: how far the projection takes the prompt."""
    return 1 - float(torch.cosine_similarity(tokens.float(), changed.float(), dim=-1).mean())


def steps_filtered(beta: float, upper: float, k: float = 2.5, t_0: float = 5.333) -> int:
    """t' = round(upper sigmoid(2k (10 beta - t_0))): the last step that is filtered, counted from 0 (self-validation).

    The further the projection takes the prompt, the more unsafe it is held to be, and the longer it is filtered.
    """
    return round(upper / (1 + math.exp(-2 * k * (10 * beta - t_0))))
