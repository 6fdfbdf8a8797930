"""How often intervals of what is left without seed noise hold it.

Shares of variance, reliabilities, and the correlation of the prompts' own values. The seed moves
indicator and outcome alike in part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.corrected import corrected_correlation
from tests.calibration.coverage import Measures
from tests.calibration.nested import Design, Floats, Population, generator, keys

SHARE_X = 0.8
"""Of a single trial's variance over prompts of the indicator: what the prompt decides."""
UP_TO = 0.15
"""How far tasks' shares lie from their mean at most; they are uniform."""
OF_NOISE = 0.3
"""Correlation of what the seed does to indicator and outcome."""
OWN = Population(math.atanh(0.5), 0.3)
"""Fisher's z of the prompts' own values."""


@dataclass(frozen=True)
class SeedNoise:
    """A cell; `share` is the mean over tasks of the prompt's share in a single trial's outcome."""

    design: Design
    share: float
    part = "seed noise"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return f"{self.design}, share {self.share}"

    @property
    def corrected(self) -> float:
        """What `corrected_correlation` estimates: mean covariance by root of mean variances."""
        at, weights = np.polynomial.legendre.leggauss(31)
        reliable = self.reliability(self.share + UP_TO * at)
        mean_r = expected_r(OWN)
        return mean_r * float((weights @ np.sqrt(reliable)) / math.sqrt(2 * (weights @ reliable)))

    def reliability(self, share: Floats) -> Floats:
        """Of the mean over seeds."""
        return share / (share + (1 - share) / self.design.seeds)

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        df, shares, spreads = self.table(i)
        rows = variance_components(df)
        rows = rows[rows["quantity"] == "forgetting"]
        one, over = rows.iloc[0], rows.iloc[-1]
        observed = spreads**2 * (shares + (1 - shares) / self.design.seeds)
        pooled = float(np.sum(self.reliability(shares) * observed) / np.sum(observed))
        r = corrected_correlation(df)
        return {
            **held("share/new_tasks", over["share_lower"], over["share_upper"], self.share),
            **held("share/one task", one["share_lower"], one["share_upper"], float(shares[0])),
            **held("reliability", over["reliability_lower"], over["reliability_upper"], pooled),
            **held("corrected/new_tasks", r.lower, r.upper, self.corrected),
        }

    def table(self, i: int) -> tuple[pd.DataFrame, Floats, Floats]:
        """A table of trials, and of each task the share and the sd of a single trial's outcome."""
        rng = generator(self.name, i)
        k, n, s = self.design.tasks, self.design.prompts, self.design.seeds
        shares = self.share + rng.uniform(-UP_TO, UP_TO, k)
        spreads = np.exp(rng.uniform(-math.log(2), math.log(2), k))
        r = np.tanh(OWN.draw(k, rng))[:, np.newaxis, np.newaxis]
        share, spread = shares[:, np.newaxis, np.newaxis], spreads[:, np.newaxis, np.newaxis]
        own_x, own_y = correlated((k, n, 1), r, rng)
        noise_x, noise_y = correlated((k, n, s), np.array(OF_NOISE), rng)
        common = rng.standard_normal((2, k, 1, s))
        x = math.sqrt(SHARE_X) * own_x + math.sqrt(1 - SHARE_X) * noise_x + common[0]
        y = spread * (np.sqrt(share) * own_y + np.sqrt(1 - share) * noise_y) + common[1]
        columns = {"pre_update_loss": x.ravel(), "forgetting": y.ravel()}
        return keys(self.design).assign(**columns), shares, spreads


def expected_r(population: Population) -> float:
    """The mean over a population of tanh(z) (Gauss–Hermite)."""
    at, weights = np.polynomial.hermite_e.hermegauss(61)
    return float(np.tanh(population.mean + population.sd * at) @ weights / weights.sum())


def correlated(
    shape: tuple[int, ...], r: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Two sets of standard normal draws with this correlation."""
    one, other = rng.standard_normal((2, *shape))
    return one, r * one + np.sqrt(1 - r**2) * other


def held(name: str, lower: float, upper: float, truth: float) -> Measures:
    """Whether there is an interval, and whether it holds the truth."""
    none = math.isnan(lower) or math.isnan(upper)
    return {
        f"{name}/covered": (lower <= truth <= upper, 0.0 if none else float(lower)),
        f"{name}/none": (none, 0.0 if none else float(upper)),
    }
