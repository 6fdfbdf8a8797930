"""Impacts on other tasks as they would be if prompts did nothing that holds from seed to seed.

Prompts are shuffled anew at each seed, and a trial's impacts stay together. So noise that the tasks
of one trial share is kept as it is, and no prompt is the same at two seeds. Shuffled for each other
task apart, all its seeds together, that noise would be lost too: at 5 % such a test of the prompts'
part rejected 49 to 89 % of simulated tables whose tasks share nothing but trial noise. This one
rejected 4 to 7 % of tables of six tasks or more with twelve prompts or more, with or without such
noise, and with each task's own effects of prompts; with such effects and little noise up to 12 % of
tables of one task and 10 % of tables of eight prompts, all but 1 or 2 % of them for values below
zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sapo_analysis.analysis.between_tasks.pair_means import OtherTasks
from sapo_analysis.analysis.intervals import NAN, Floats

_ENOUGH = 999
_MOST = 30_000_000
"""Numbers looked up in all shuffles, where that leaves `_ENOUGH`: half a second."""
_AT_ONCE = 200_000
"""Numbers per array: what a processor keeps near."""
_LEAST_ERROR = 1e-6
"""Where all prompts add alike the standard error is zero, or what rounding makes of it."""


@dataclass(frozen=True)
class Null:
    """Statistics of shuffled tables beside those of the table itself.

    Attributes:
        p: Two-sided, equal tails: twice the smaller (b + 1) / (m + 1).
        lower: 2.5 % quantile of the shuffled statistic, in standard errors.
        upper: 97.5 % quantile.
        n_permutations: Shuffles made.
    """

    p: float
    lower: float
    upper: float
    n_permutations: int


def shuffled_within_seeds(tasks: Sequence[OtherTasks], m: int, seed: int) -> Null:
    """How far from zero a mean covariance at different seeds gets by chance, over current tasks.

    Statistic: the mean over tasks and pairs of other tasks i ≠ j of the covariance over prompts of
    impact i at one seed and j at another, per sds of one trial, ÷ its standard error over prompts.
    Those sds are the same in every shuffle, so the test is exact where prompts do nothing. Where
    each other task has its own effects of prompts, which shuffling turns into noise, dividing by
    the standard error keeps it close to its level (Janssen 1997; DiCiccio and Romano 2017). The
    tails are judged apart because the statistic is skewed.

    Args:
        tasks: Current tasks.
        m: Shuffles wanted. Of a large table fewer are made, but at least 999.
        seed: Of the shuffles.

    Returns:
        All nan without tasks, without shuffles or with one seed.
    """
    if not tasks or not m or any(task.n_seeds < 2 for task in tasks):
        return Null(NAN, NAN, NAN, 0)
    looked_up = sum(task.n_prompts * math.comb(task.n_seeds, 2) for task in tasks)
    m = min(m, max(_ENOUGH, _MOST // looked_up))
    sums, squares = np.zeros(m + 1), np.zeros(m + 1)
    for place, task in enumerate(tasks):
        rng = np.random.default_rng([seed, place])
        alike = _alikeness(task)
        observed = _over_prompts(alike, [np.arange(task.n_prompts)[np.newaxis]] * task.n_seeds)
        sums[0] += observed[0][0]
        squares[0] += observed[1][0]
        size = max(1, _AT_ONCE // task.n_prompts)
        for start in range(1, m + 1, size):
            orders = _orders(task, min(size, m + 1 - start), rng)
            rows = slice(start, start + len(orders[-1]))
            own_sums, own_squares = _over_prompts(alike, orders)
            sums[rows] += own_sums
            squares[rows] += own_squares
    observed_t, *null = sums / np.maximum(np.sqrt(squares), _LEAST_ERROR)
    lower, upper = np.quantile(null, [0.025, 0.975])
    p = equal_tailed_p(float(observed_t), np.array(null))
    return Null(p, float(lower), float(upper), m)


def equal_tailed_p(observed: float, null: Floats) -> float:
    """Twice the smaller of (b + 1) / (m + 1), b of m shuffles at least as high, or as low."""
    # Shuffles that give the same value differ from it in the last digits; they count as ties.
    high = int(np.sum(null >= observed - 1e-9))
    low = int(np.sum(null <= observed + 1e-9))
    return min(1.0, 2 * (min(high, low) + 1) / (len(null) + 1))


def _orders(task: OtherTasks, m: int, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Per seed: m orders of the prompts, one a row. One seed may keep its own."""
    own = np.arange(task.n_prompts)
    rows = np.tile(own, (m, 1))
    return [own[np.newaxis], *(rng.permuted(rows, axis=1) for _ in range(task.n_seeds - 1))]


def _alikeness(task: OtherTasks) -> dict[tuple[int, int], Floats]:
    """Per pair of seeds: Σ_{i≠j} of i under prompt p at the one times j under q at the other.

    Prompts x prompts, divided such that the sum over its diagonal and over pairs of seeds is the
    mean over pairs of tasks of a correlation.
    """
    n_others, n_prompts, n_seeds = task.values.shape
    scale = np.sqrt(np.sum(task.within_seed**2, axis=(1, 2), keepdims=True) / n_seeds)
    scaled = task.within_seed / scale
    summed = scaled.sum(axis=0)
    n_pairs = n_others * (n_others - 1) * n_seeds * (n_seeds - 1) / 2
    return {
        (s, t): (np.outer(summed[:, s], summed[:, t]) - scaled[:, :, s].T @ scaled[:, :, t])
        / n_pairs
        for s, t in itertools.combinations(range(n_seeds), 2)
    }


def _over_prompts(
    alike: dict[tuple[int, int], Floats], orders: list[npt.NDArray[np.intp]]
) -> tuple[Floats, Floats]:
    """Per shuffle: the sum over prompts, and its squared standard error."""
    n = orders[0].shape[1]
    each = sum(
        (own.ravel().take(orders[s] * n + orders[t]) for (s, t), own in alike.items()),
        start=np.zeros((1, n)),
    )
    return each.sum(axis=1), n * each.var(axis=1, ddof=1)
