"""How often a permutation test rejects what is true: prompts decide nothing, tasks do.

The tasks lie far apart in indicator and outcome, so that the correlation over all points is large,
and their spreads differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.levels.correlation import pooled_correlation, within_task_correlation
from tests.calibration.coverage import Measures
from tests.calibration.nested import Design, Floats, generator, keys

LEVEL = 0.05
N_PERMUTATIONS = 999
APART = 5.0
"""Sd over tasks of their means, in sds over prompts of the indicator."""
TOGETHER = 0.9
"""Correlation over tasks of the means of indicator and outcome."""


@dataclass(frozen=True)
class Permutations:
    """A cell: tables of one design without any effect of prompts."""

    design: Design
    part = "permutations"

    @property
    def name(self) -> str:
        """Of the cell, in the results."""
        return f"{self.design}, no effect"

    def measure(self, i: int) -> Measures:
        """What table `i` says."""
        x, y = unrelated(self.design, generator(self.name, i))
        df = keys(self.design).assign(pre_update_loss=x.ravel(), forgetting=y.ravel())
        within = {
            statistic: within_task_correlation(
                df, statistic=statistic, n_permutations=N_PERMUTATIONS
            )
            for statistic in ("pearson", "spearman")
        }
        pooled = pooled_correlation(df, n_permutations=N_PERMUTATIONS)
        return {
            "within/pearson": rejected(within["pearson"]),
            "within/spearman": rejected(within["spearman"]),
            "pooled/pearson": rejected(pooled),
            "pooled/interval above 0": (pooled.lower > 0, pooled.value),
        }


def unrelated(design: Design, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Indicator and outcome, tasks x prompts x seeds; prompts move the indicator alone."""
    k, n, s = design.tasks, design.prompts, design.seeds
    shared, own = rng.standard_normal((2, k, 1, 1))
    levels = TOGETHER * shared + np.sqrt(1 - TOGETHER**2) * own
    spreads = np.exp(rng.uniform(-np.log(2), np.log(2), (2, k, 1, 1)))
    x = np.repeat(rng.standard_normal((k, n, 1)), s, axis=2)
    common = rng.standard_normal((k, 1, s))
    y = common + rng.standard_normal((k, n, s))
    return APART * shared + spreads[0] * x, APART * levels + spreads[1] * y


def rejected(e: Estimate) -> tuple[bool, float]:
    """At 5 %, two-sided."""
    return e.p <= LEVEL, e.p
