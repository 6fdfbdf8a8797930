"""What each way of picking a prompt comes to in one current task, trial by trial.

Every rule puts the prompts of a task in order; its pick is the first. The value of a pick is the
outcome of the trial that was trained with it, so nothing is trained again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.selection import Ints

RULES = ("lowest_loss", "random", "original", "hindsight_best", "highest_loss")


@dataclass(frozen=True)
class TaskPicks:
    """The picks of one current task.

    Attributes:
        values: By rule the outcome of its pick at each seed; nan where the rule has no pick.
        hit: By seed, whether the lowest-loss pick is the best prompt of the other seeds (0 or 1;
            between where picks tie); nan with one seed.
        chance: By seed, the same of a random pick.
        rank: By seed, the share of the other prompts that did better than the lowest-loss pick at
            that seed, equals counting half.
        in_order: By rule the outcomes from its first prompt to its last, means over seeds; for
            pools. nan where the rule has no order.
    """

    values: dict[str, Floats]
    hit: Floats
    chance: Floats
    rank: Floats
    in_order: dict[str, Floats]

    @property
    def n_prompts(self) -> int:
        """Prompts to choose from."""
        return len(self.in_order["random"])

    @property
    def n_seeds(self) -> int:
        """Seeds that all prompts share."""
        return len(self.rank)


def picks_of(x: Floats, y: Floats, low_is_good: bool, original: int | None) -> TaskPicks:
    """The picks of one current task.

    The hindsight best of a seed is the prompt that is best on the mean over all other seeds: one
    chosen by the outcomes that it is then valued by would look better than it is (the winner's
    curse). Where prompts tie, a rule picks each of them equally often.

    Args:
        x: The indicator, prompts x seeds, at least two prompts.
        y: The outcome, prompts x seeds.
        low_is_good: Whether a low outcome is good.
        original: Row of the original prompt; None where it is not known.
    """
    n_prompts, n_seeds = y.shape
    cost = y if low_is_good else -y
    by_loss, by_hindsight = np.empty_like(y), np.full_like(y, np.nan)
    hit, chance, rank = (np.full(n_seeds, np.nan) for _ in range(3))
    for s in range(n_seeds):
        loss = Order.of(x[:, s])
        by_loss[:, s] = loss.first_to_last(y[:, s])
        rank[s] = loss.first_to_last(Order.of(cost[:, s]).shares_before())[0]
        if n_seeds > 1:
            hindsight = Order.of(np.delete(cost, s, axis=1).mean(axis=1))
            by_hindsight[:, s] = hindsight.first_to_last(y[:, s])
            is_best = (hindsight.group == 0).astype(np.float64)
            hit[s], chance[s] = loss.first_to_last(is_best)[0], is_best.mean()
    mean = y.mean(axis=0)
    values = {
        "lowest_loss": by_loss[0],
        "random": mean,
        "original": np.full(n_seeds, np.nan) if original is None else y[original],
        "hindsight_best": by_hindsight[0],
        "highest_loss": by_loss[-1],
    }
    in_order = {
        "lowest_loss": by_loss.mean(axis=1),
        "random": np.full(n_prompts, mean.mean()),
        "hindsight_best": by_hindsight.mean(axis=1),
    }
    return TaskPicks(values, hit, chance, rank, in_order)


class Order(NamedTuple):
    """Prompts from the lowest key to the highest.

    Keys equal to ten digits tie: means of the same values in another order differ by rounding.

    Attributes:
        group: By prompt the place of its key among the different ones, from 0.
        sizes: How many prompts share each of these keys.
    """

    group: Ints
    sizes: Ints

    @classmethod
    def of(cls, keys: Floats) -> Order:
        """The order of these keys, one per prompt."""
        scale = float(np.max(np.abs(keys))) or 1.0
        rounded = np.round(keys / scale, 10)
        _, group, sizes = np.unique(rounded, return_inverse=True, return_counts=True)
        return cls(group, sizes)

    def first_to_last(self, values: Floats) -> Floats:
        """The prompts' values in this order; tied prompts have the mean of theirs.

        So the first is the expected value of the prompt with the lowest key, ties broken at random.
        """
        means: Floats = np.bincount(self.group, weights=values) / self.sizes
        return np.repeat(means, self.sizes)

    def shares_before(self) -> Floats:
        """By prompt the share of the others that come before it, tied ones counting half."""
        before = np.cumsum(self.sizes) - self.sizes + (self.sizes - 1) / 2
        shares: Floats = before[self.group] / (len(self.group) - 1)
        return shares


@lru_cache(maxsize=8)
def pool_weights(n: int, largest: int) -> Floats:
    """Prompts x pool sizes: the probability that a rule picks its r-th of n from a random pool.

    The r-th is the first of a pool of m prompts where it is in it and none of the r - 1 before it
    is: C(n - r, m - 1) / C(n, m). Made factor by factor, from m / n for the first prompt on, so
    that no binomial overflows.

    Args:
        n: Prompts in all.
        largest: The largest pool; sizes are 1 to this.
    """
    m = np.arange(1, largest + 1)
    rest = np.arange(n - 1, 0, -1)[:, np.newaxis]  # prompts after the r-th
    steps = np.maximum(rest - m + 1, 0) / rest
    weights: Floats = np.cumprod(np.vstack([m / n, steps]), axis=0)
    return weights
