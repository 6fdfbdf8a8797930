"""Impacts on the other tasks of one current task: how alike they are over prompts, pair by pair.

A mean over pairs needs no loop over pairs: Σ_{i≠j} a_i·a_j = |Σ a_i|² - Σ |a_i|².
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sapo_analysis.analysis.intervals import NAN, Floats, fisher_z, perfect_limit
from sapo_analysis.analysis.noise.across_seeds import AcrossSeeds, across_seeds, fewer
from sapo_analysis.analysis.noise.variance import rounding_of
from sapo_analysis.analysis.selection import Names

MIN_PROMPTS_OF_PARTS = 5
"""Fewer prompts leave the jackknife of the two parts no error."""


class Parts(NamedTuple):
    """A mean correlation over pairs and the two parts that add up to it; with one seed nan."""

    raw: float
    prompt: float
    seed: float


@dataclass(frozen=True)
class OtherTasks:
    """One current task's impacts on other tasks, at the seeds that all prompts share.

    Attributes:
        current: The current task.
        names: The other tasks, in order of name.
        values: Other tasks x prompts x seeds, without gaps; each other task's mean over seeds
            differs in at least two prompts.
    """

    current: str
    names: Names
    values: Floats

    @property
    def n_prompts(self) -> int:
        """Prompts."""
        return int(self.values.shape[1])

    @property
    def n_seeds(self) -> int:
        """Seeds that all prompts share."""
        return int(self.values.shape[2])

    @cached_property
    def within_seed(self) -> Floats:
        """The values less their mean over the prompts of their seed."""
        centred: Floats = self.values - self.values.mean(axis=1, keepdims=True)
        return centred

    @cached_property
    def covariances(self) -> AcrossSeeds | None:
        """Covariances over prompts; None with one seed."""
        return across_seeds(self.values)

    @cached_property
    def raw(self) -> Floats:
        """Correlation matrix of seed-averaged impacts."""
        return np.asarray(np.corrcoef(self.values.mean(axis=2)))

    @cached_property
    def seed(self) -> Floats:
        """The part of `raw` made by noise that two tasks of one trial share (`over_sds`)."""
        if self.covariances is None:
            return np.full(self.raw.shape, NAN)
        return self.covariances.over_sds.seed

    @cached_property
    def prompt(self) -> Floats:
        """The rest of `raw`, which is the prompts': covariance at different seeds ÷ the same sds.

        Its diagonal is each impact's reliability, which may be below zero by chance.
        """
        return self.raw - self.seed

    @cached_property
    def means(self) -> Parts:
        """Plain means over pairs."""
        return Parts(*map(mean_over_pairs, (self.raw, self.prompt, self.seed)))

    @cached_property
    def errors(self) -> Parts:
        """Standard errors of `means`: jackknife, one prompt left out at a time.

        Those of the parts are nan with four prompts: of the three that are left `fewer` makes all
        seed's parts 0, as if they were known exactly.
        """
        factor = (self.n_prompts - 1) / self.n_prompts
        deviations = self._without_each - self._without_each.mean(axis=0)
        errors = np.sqrt(factor * np.sum(deviations**2, axis=0))
        if self.n_prompts < MIN_PROMPTS_OF_PARTS:
            errors[1:] = NAN
        return Parts(*errors.tolist())

    @cached_property
    def _without_each(self) -> Floats:
        """Prompts x parts: `means` without that prompt."""
        s, total = self.n_seeds, self.within_seed.sum(axis=2)
        squares = _left_out_squares(total)
        # Where one prompt has all but all of a spread, the difference holds no digits.
        exact = (squares > 1e-6 * np.sum(total**2, axis=1, keepdims=True)).all(axis=0)
        weights = 1 / np.sqrt(np.where(exact, squares, 1.0))
        raw = _left_out_means(total, weights)
        seed = np.full(len(raw), NAN)
        if s > 1:
            at_one = [_left_out_means(self.within_seed[:, :, t], weights) for t in range(s)]
            seed = (s * np.sum(at_one, axis=0) - raw) / (s - 1) * fewer(self.n_prompts - 1)
        found = np.stack([raw, raw - seed, seed], axis=1)
        for i in np.flatnonzero(~exact):
            found[i] = replace(self, values=np.delete(self.values, i, axis=1)).means
        return found

    @cached_property
    def seed_alone(self) -> float:
        """Mean Fisher z over pairs of the residual correlation of two tasks within one trial.

        It is claim 2's statistic if prompts did nothing. nan with one seed, or where fewer than two
        other tasks have seed noise.
        """
        if self.covariances is None:
            return NAN
        noise = np.sqrt(np.diag(self.covariances.seed))
        noisy = noise > [rounding_of(own) for own in self.values]
        if noisy.sum() < 2:
            return NAN
        own = self.covariances.seed[np.ix_(noisy, noisy)] / np.outer(noise[noisy], noise[noisy])
        degrees = (self.n_prompts - 1) * (self.n_seeds - 1)
        return mean_over_pairs(fisher_z(own, perfect_limit(degrees + 1)))


def mean_over_pairs(matrix: Floats) -> float:
    """Mean of a square matrix off its diagonal."""
    n = len(matrix)
    return float(matrix.sum() - np.trace(matrix)) / (n * (n - 1))


def _left_out_squares(values: Floats) -> Floats:
    """Sums of squares of each row [rows, prompts] around its mean, without each prompt in turn."""
    n = values.shape[1]
    squares: Floats = np.sum(values**2, axis=1, keepdims=True) - n / (n - 1) * values**2
    return squares


def _left_out_means(values: Floats, weights: Floats) -> Floats:
    """Mean over pairs of weighted cross products, without each prompt in turn.

    Without prompt p rows i and j, centred over prompts, have the cross product
    Σ_q x_iq x_jq - n/(n - 1) x_ip x_jp.

    Args:
        values: [rows, prompts], each row with mean zero.
        weights: [rows, prompts]: that of a row where the prompt is left out.
    """
    v, n = values.shape
    sums = weights.T @ values
    of_sum = np.sum(sums**2, axis=1) - n / (n - 1) * np.diag(sums) ** 2
    of_each = np.sum(weights**2 * _left_out_squares(values), axis=0)
    means: Floats = (of_sum - of_each) / (v * (v - 1))
    return means
