"""The two intervals of every estimate over tasks, and the transform in which they are made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sapo_analysis.analysis.estimate import CONFIDENCE, Z_95, Scope
from sapo_analysis.analysis.quantiles import student

Floats = npt.NDArray[np.float64]
NAN = float("nan")
_ROUNDING = 1e-12
"""Values no further apart, per size of the largest, are the same but for rounding."""


def fisher_z(r: Floats | float, limit: float = 1 - 1e-12) -> Floats:
    """Fisher's z = atanh(r), with |r| held at `limit`: a perfect r would be infinite."""
    z: Floats = np.arctanh(np.clip(np.asarray(r, dtype=np.float64), -limit, limit))
    return z


def perfect_limit(n: int) -> float:
    """Where a perfect correlation of n points is held before Fisher's z: 1 - 6 / (n (n² - 1)).

    With few points or tied values |r| = 1 is common and would make a mean of z infinite. This is
    halfway from a perfect rank correlation to the next smaller one.
    """
    return 1 - 6 / (n * (n**2 - 1))


def differs(values: Floats, at_least: int = 1) -> bool:
    """Whether that many values differ from the most common one, beyond rounding."""
    scale = float(np.max(np.abs(values), initial=0.0)) or 1.0
    _, counts = np.unique(np.round(values / scale, 10), return_counts=True)
    return len(values) - int(counts.max(initial=0)) >= at_least


def mean_interval(
    values: Floats, standard_errors: Floats, scope: Scope
) -> tuple[float, float, float]:
    """Mean over tasks with its 95 % interval.

    *new tasks*: mean ± t(k - 1) · sd / √k over the k per-task values; their own errors are
    contained in their sd. With k = 1, or values that are all the same, nothing says how much tasks
    differ: the bounds are nan. *these tasks*: mean ± 1.96 · √(Σ se²) / k; nan where all errors are
    0, as those of a jackknife can be.

    Args:
        values: One per task, on a scale where they are roughly normal (Fisher's z, log ratio).
        standard_errors: One per task, of that task's value over prompts; used for these tasks.
        scope: `new_tasks` or `these_tasks`.

    Returns:
        Mean, lower, upper. No task, or a value of nan: three nan.
    """
    if np.isnan(values).any():
        return NAN, NAN, NAN
    mean, lower, upper = map(float, mean_intervals(values, standard_errors, scope))
    return mean, lower, upper


def mean_intervals(
    values: Floats, standard_errors: Floats, scope: Scope
) -> tuple[Floats, Floats, Floats]:
    """`mean_interval` of many means at once: [..., tasks], tasks with nan left out of theirs."""
    used = ~np.isnan(values)
    k = used.sum(axis=-1)
    n = np.where(k > 0, k, NAN)
    mean = np.where(used, values, 0.0).sum(axis=-1) / n
    if scope == "these_tasks":
        half = Z_95 * np.sqrt(np.where(used, standard_errors**2, 0.0).sum(axis=-1)) / n
        half = np.where(half > _ROUNDING * np.abs(mean), half, NAN)
        return mean, mean - half, mean + half
    squares = np.where(used, values - mean[..., np.newaxis], 0.0) ** 2
    spread = np.sqrt(squares.sum(axis=-1) / np.where(k > 1, k - 1, NAN))
    largest = np.abs(np.where(used, values, 0.0)).max(axis=-1, initial=0.0)
    t = {m: student(0.5 + CONFIDENCE / 2, m - 1) for m in set(k.ravel().tolist()) if m > 1}
    quantiles = np.array([t.get(m, NAN) for m in k.ravel().tolist()]).reshape(k.shape)
    half = np.where(spread > _ROUNDING * largest, quantiles * spread / np.sqrt(n), NAN)
    return mean, mean - half, mean + half
