"""How far one set of pictures is from another, by features [N, D] of any model."""

from __future__ import annotations

import torch
from torch import Tensor


def fid(one: Tensor, other: Tensor) -> float:
    """||m_1 - m_2||^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)), the Frechet distance of two Gaussians (Heusel et al. 2017, eq. 6).

    The eigenvalues of C_1 C_2 are real and not negative but for rounding. FID proper is of Inception's features; of others,
    values are compared with values of the same features alone. Few pictures make it too large.
    """
    one, other = one.double(), other.double()
    product = torch.linalg.eigvals(one.T.cov() @ other.T.cov()).real.clamp(min=0)
    spread = one.var(0).sum() + other.var(0).sum() - 2 * product.sqrt().sum()
    return float((one.mean(0) - other.mean(0)).square().sum() + spread)


def kid(one: Tensor, other: Tensor) -> float:
    """The unbiased squared MMD with the kernel (x y / D + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401, section 4)."""
    one, other = one.double(), other.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        alike = kernel(a, a)
        return (alike.sum() - alike.diagonal().sum()) / (len(a) * (len(a) - 1))

    return float(within(one) + within(other) - 2 * kernel(one, other).mean())
