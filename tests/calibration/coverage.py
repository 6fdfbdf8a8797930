"""How often a 95 % interval holds what it is to hold.

New tasks: the mean of z over the population of tasks. These tasks: its mean over the tasks at hand.
Of Spearman z is atanh of the population's rank correlation, 6/π · asin(r/2) for normal values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sapo_analysis.analysis.estimate import SCOPES, Estimate
from sapo_analysis.analysis.levels.correlation import STATISTICS, over_tasks, points_of
from sapo_analysis.analysis.prompt_means import prompt_means
from tests.calibration.nested import Design, Floats, Population, frame, generator, nested

MEAN_R = 0.4
"""tanh of the population's mean z."""

Measures = dict[str, tuple[bool, float]]
"""What one table says: whether it was so, and the number that decided."""


@dataclass(frozen=True)
class Coverage:
    """A cell: tables of one design from one population.

    With `tails` (see `nested`) of Pearson alone: the rank correlation of a t is another one.
    """

    design: Design
    tau: float
    tails: int = 0
    part = "coverage"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return f"{self.design}, τ {self.tau}{f', t({self.tails})' if self.tails else ''}"

    @property
    def population(self) -> Population:
        """Where tasks come from."""
        return Population(math.atanh(MEAN_R), self.tau)

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        rng = generator(self.name, i)
        values = nested(self.design, self.population, rng, tails=self.tails)
        means = prompt_means(frame(self.design, values), "forgetting")
        found: Measures = {}
        for statistic in STATISTICS[:1] if self.tails else STATISTICS:
            points = points_of(means, statistic)
            truths = {
                "new_tasks": expected(SCALES[statistic], self.population),
                "these_tasks": float(np.mean(SCALES[statistic](values.z))),
            }
            for scope in SCOPES:
                e = over_tasks(points, "x", "y", scope, statistic, "r", 0, 0)
                found |= judged(f"{statistic}/{scope}", e, math.tanh(truths[scope]))
        return found


def judged(name: str, e: Estimate, truth: float) -> Measures:
    """Whether the interval holds the truth, and whether it lies wholly below it.

    Where there is none (two tasks with one and the same rank correlation) it does neither.
    """
    none = math.isnan(e.lower)
    return {
        f"{name}/covered": (e.lower <= truth <= e.upper, 0.0 if none else e.lower),
        f"{name}/too low": (e.upper < truth, 0.0 if none else e.upper),
    }


def pearson(z: Floats) -> Floats:
    """Pearson's z, as it is."""
    return z


def spearman(z: Floats) -> Floats:
    """z of the rank correlation that normal values with Pearson's z have."""
    ranked: Floats = np.arctanh(6 / np.pi * np.arcsin(np.tanh(z) / 2))
    return ranked


SCALES: dict[str, Callable[[Floats], Floats]] = {"pearson": pearson, "spearman": spearman}


def expected(scale: Callable[[Floats], Floats], population: Population) -> float:
    """The mean over a population of a function of z (Gauss–Hermite)."""
    at, weights = np.polynomial.hermite_e.hermegauss(61)
    values = scale(population.mean + population.sd * at)
    return float(values @ weights / weights.sum())
