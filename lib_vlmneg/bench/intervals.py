"""A median, and how sure it is."""

from __future__ import annotations

import numpy as np

RESAMPLED = 2000


def median_with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """The median of `values` [n], and the ends of its 95 % interval by resampling (percentile bootstrap, 2000 times)."""
    rng = np.random.default_rng(0)
    again = np.median(values[rng.integers(len(values), size=(RESAMPLED, len(values)))], axis=1)
    low, high = np.quantile(again, (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)
