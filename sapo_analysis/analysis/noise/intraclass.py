"""Shares of variance that lie between prompts: of one trial, and of a prompt's mean over seeds.

y_ps = mean + prompt_p + seed_s + e_ps over P prompts and S seeds, as in `prompt_effects`. With
MS_p the mean square of prompts (P - 1 degrees of freedom), MS_e that of the residual
((P - 1)(S - 1)) and F = MS_p / MS_e:

- share of one trial's variance = σ_p² / (σ_p² + σ_e²), estimated by (F - 1) / (F + S - 1), the
  intraclass correlation ICC(C,1);
- reliability of the mean over the seeds = σ_p² / (σ_p² + σ_e² / S), by 1 - 1 / F, ICC(C,k).

Intervals are exact for normal values (McGraw and Wong 1996): F divided by the quantiles of its
distribution takes F's place. What a seed does to all prompts alike is in neither, as it moves no
difference between prompts.

Both estimates fall below zero by chance where prompts do little. For one task they are held at
zero, bounds too; where prompts differ even less than the seed would make them (F below its 2.5 %
quantile) no share fits, and the bounds are nan. Means over tasks are taken of `share` as it is
here, not held: a mean of held shares would be too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sapo_analysis.analysis.estimate import CONFIDENCE
from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.noise.across_seeds import across_seeds
from sapo_analysis.analysis.noise.variance import rounding_of
from sapo_analysis.analysis.quantiles import fisher_f

ONE_SEED = "one seed: prompts and seeds cannot be told apart"
ONE_PROMPT = "fewer than two prompts"
NO_SPREAD = "the same for every prompt"
NO_SEED_COMPONENT = "no seed component: prompts differ in the same way at every seed"
BELOW_CHANCE = "prompts differ less than the seed alone would make them: no share fits"
_TAIL = (1 - CONFIDENCE) / 2

Bounds = tuple[float, float, float]
"""Value, lower and upper end of its 95 % interval."""


@dataclass(frozen=True)
class Intraclass:
    """One layout's variance over prompts, and the seed's part of it.

    Attributes:
        observed: Variance over prompts of the means over seeds, MS_p / S; nan without two prompts
            and two seeds.
        noise: What the seed adds to it, MS_e / S; 0 where rounding is all that is left.
        n_prompts: P.
        n_seeds: S.
        note: What the numbers cannot say; empty where they say all.
    """

    observed: float
    noise: float
    n_prompts: int
    n_seeds: int
    note: str

    @property
    def has_share(self) -> bool:
        """Whether prompts and seeds could be told apart, and there is any spread."""
        return self.observed > 0 or self.noise > 0

    @property
    def df(self) -> tuple[int, int]:
        """Degrees of freedom of `observed` and of `noise`."""
        return self.n_prompts - 1, (self.n_prompts - 1) * (self.n_seeds - 1)

    @property
    def f(self) -> float:
        """MS_p / MS_e; infinite without a seed component, nan where there is no share."""
        if not self.has_share:
            return NAN
        return self.observed / self.noise if self.noise > 0 else np.inf

    @property
    def variances(self) -> tuple[float, float]:
        """σ_p², which may be below zero by chance, and σ_e²."""
        return self.observed - self.noise, self.noise * self.n_seeds

    @property
    def share(self) -> float:
        """Of one trial's variance, not held at zero."""
        return self._share(self.f)

    def share_interval(self) -> Bounds:
        """Share of one trial's variance that lies between prompts, and its interval."""
        low, high = f_bounds(self.f, *self.df)
        return held(self.share, self._share(low), self._share(high))

    def reliability_interval(self) -> Bounds:
        """Share of the variance of means over seeds that lies between prompts, and its interval."""
        return reliability_from(self.f, *self.df)

    def _share(self, f: float) -> float:
        return 1.0 if f == np.inf else (f - 1) / (f + self.n_seeds - 1)


def intraclass(values: Floats) -> Intraclass:
    """Of values [prompts, seeds] without gaps."""
    n_prompts, n_seeds = values.shape
    found = across_seeds(values[np.newaxis])
    if found is None:
        return Intraclass(NAN, NAN, n_prompts, n_seeds, ONE_PROMPT if n_prompts < 2 else ONE_SEED)
    rounding = rounding_of(values) ** 2
    observed, noise = float(found.observed[0, 0]), float(found.seed[0, 0])
    observed = observed if observed > rounding else 0.0
    noise = noise if noise * n_seeds > rounding else 0.0
    one = Intraclass(observed, noise, n_prompts, n_seeds, "")
    if not one.has_share:
        return replace(one, note=NO_SPREAD)
    if noise == 0:
        return replace(one, note=NO_SEED_COMPONENT)
    return replace(one, note=BELOW_CHANCE if np.isnan(one.share_interval()[1]) else "")


def f_bounds(f: float, df_p: float, df_e: float) -> tuple[float, float]:
    """The two F whose share is the lower and the upper end of the interval; nan where f is none."""
    if not np.isfinite(f):
        return NAN, NAN
    return f / fisher_f(1 - _TAIL, df_p, df_e), f / fisher_f(_TAIL, df_p, df_e)


def reliability_from(f: float, df_p: float, df_e: float) -> Bounds:
    """1 - 1 / F and its interval, held at zero."""
    return held(*(1 - 1 / at if at else -np.inf for at in (f, *f_bounds(f, df_p, df_e))))


def held(value: float, lower: float, upper: float) -> Bounds:
    """A share of one task held at zero; without bounds where all of the interval is below it."""
    if upper < 0:
        lower = upper = NAN
    # Not max(0, nan): it would make a number of what is none.
    value, lower, upper = (0.0 if bound < 0 else bound for bound in (value, lower, upper))
    return value, lower, upper


def pooled_reliability(layouts: Sequence[Intraclass]) -> Bounds:
    """Reliability of several tasks at once: 1 - Σ noise / Σ observed, and its interval.

    The interval is that of a ratio of two sums of mean squares, each with Satterthwaite's degrees
    of freedom, (Σ m)² / Σ(m² / df); it takes tasks to be independent and values normal, and is
    exact for one task. Adding up the degrees of freedom instead would take all tasks to have the
    same variances: where sds ran from 1 to 4 over six tasks an interval so made covered 89 % in
    simulation, and 66 % where one had five times the sds of the others; this one 94 to 96 %.
    """
    if not layouts:
        return NAN, NAN, NAN
    observed, df_p = _sum_and_df([one.observed for one in layouts], [one.df[0] for one in layouts])
    noise, df_e = _sum_and_df([one.noise for one in layouts], [one.df[1] for one in layouts])
    return reliability_from(observed / noise if noise > 0 else np.inf, df_p, df_e)


def _sum_and_df(mean_squares: list[float], df: list[int]) -> tuple[float, float]:
    squares = np.array(mean_squares)
    total = float(np.sum(squares))
    return total, total**2 / float(np.sum(squares**2 / df)) if total > 0 else float(np.sum(df))
