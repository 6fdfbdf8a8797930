"""Permutation p: the statistic as it would be if prompts had nothing to do with the outcome."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sapo_analysis.analysis.intervals import Floats


@lru_cache(maxsize=64)
def _shuffles(n: int, m: int, seed: int, stream: int) -> npt.NDArray[np.intp]:
    rng = np.random.default_rng([seed, stream])
    return rng.permuted(np.tile(np.arange(n), (m, 1)), axis=1)


def shuffled(values: Floats, m: int, seed: int, stream: int) -> Floats:
    """`m` shuffles of the values, one a row. Equal seed, stream and length give equal orders."""
    return values[_shuffles(len(values), m, seed, stream)]


def null_correlations(x: Floats, y: Floats, m: int, seed: int, stream: int) -> Floats:
    """Pearson r of x with `m` shuffles of y (for Spearman give ranks)."""
    dx, dy = x - x.mean(), y - y.mean()
    scale = np.sqrt(np.sum(dx**2) * np.sum(dy**2))
    null: Floats = shuffled(dy, m, seed, stream) @ dx / scale
    return null


def two_sided_p(observed: float, null: Floats) -> float:
    """(b + 1) / (m + 1), where b of m shuffles are at least as far from 0 as the observed."""
    # Shuffles that give the same value differ from it in the last digits; they count as ties.
    b = int(np.sum(np.abs(null) >= abs(observed) - 1e-9))
    return (b + 1) / (len(null) + 1)
