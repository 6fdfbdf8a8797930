"""The two intervals of every estimate over tasks, and the transform in which they are made."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sapo_analysis.analysis.estimate import CONFIDENCE, Z_95, Scope
from sapo_analysis.analysis.quantiles import student

Floats = npt.NDArray[np.float64]
NAN = float("nan")


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
    contained in their sd. With k = 1 there is no interval: the bounds are nan. *these tasks*: mean
    ± 1.96 · √(Σ se²) / k.

    Args:
        values: One per task, on a scale where they are roughly normal (Fisher's z, log ratio).
        standard_errors: One per task, of that task's value over prompts; used for these tasks.
        scope: `new_tasks` or `these_tasks`.

    Returns:
        Mean, lower, upper. No task: three nan.
    """
    k = len(values)
    if k == 0:
        return NAN, NAN, NAN
    mean = float(np.mean(values))
    if scope == "these_tasks":
        half = Z_95 * float(np.sqrt(np.sum(np.square(standard_errors)))) / k
    elif k == 1:
        half = NAN
    else:
        spread = float(np.std(values, ddof=1))
        half = student(0.5 + CONFIDENCE / 2, k - 1) * spread / math.sqrt(k)
    return mean, mean - half, mean + half
