"""How much of what trials do to other tasks is one thing that moves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sapo_analysis.analysis.between_tasks.pair_means import OtherTasks
from sapo_analysis.analysis.intervals import NAN, Floats

SHUFFLES = 199
"""At most: an eigenvalue costs a hundred times what a mean over pairs costs."""


@dataclass(frozen=True)
class FirstComponent:
    """The first principal component of impacts, beside what chance makes of unrelated tasks.

    Attributes:
        share: Largest eigenvalue of the correlation matrix of seed-averaged impacts ÷ other tasks,
            mean over current tasks (0 to 1). What tasks of one trial share by noise is in it.
        expected: Mean of it with prompts shuffled for each other task apart.
        expected_upper: 95 % quantile of the same.
        n_permutations: Shuffles that these two are of.
    """

    share: float
    expected: float
    expected_upper: float
    n_permutations: int


def first_component(tasks: Sequence[OtherTasks], m: int, seed: int) -> FirstComponent:
    """The share, and that of shuffles (parallel analysis, Horn 1965): few prompts make it large.

    Args:
        tasks: Current tasks.
        m: Shuffles wanted; `SHUFFLES` at most are made.
        seed: Of the shuffles.

    Returns:
        nan without tasks; the expected share also without shuffles.
    """
    if not tasks:
        return FirstComponent(NAN, NAN, NAN, 0)
    m = min(m, SHUFFLES)
    shares = np.zeros(m + 1)
    for place, task in enumerate(tasks):
        rng = np.random.default_rng([seed, place, 1])
        means = task.within_seed.mean(axis=2)
        units = means / np.sqrt(np.sum(means**2, axis=1, keepdims=True))
        shuffled = rng.permuted(np.tile(units, (m, 1, 1)), axis=2)
        shares[0] += _shares(units[np.newaxis])[0] / len(tasks)
        shares[1:] += _shares(shuffled) / len(tasks)
    share, *null = shares.tolist()
    if not null:
        return FirstComponent(share, NAN, NAN, 0)
    return FirstComponent(share, float(np.mean(null)), float(np.quantile(null, 0.95)), m)


def _shares(units: Floats) -> Floats:
    """Share of each table of [tables, other tasks, prompts], rows of length one."""
    n_others, n_prompts = units.shape[1:]
    across = units.swapaxes(1, 2)
    # The smaller of the two matrices of products has the same largest eigenvalue.
    products = units @ across if n_others <= n_prompts else across @ units
    shares: Floats = np.linalg.eigvalsh(products)[:, -1] / n_others
    return shares
