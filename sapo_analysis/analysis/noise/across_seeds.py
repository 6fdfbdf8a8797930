"""What prompts do, told apart from what one trial's seed does to several values at once.

Two values of one trial share its noise: a fine-tune that went badly moves every task, and a parent
state that lies badly raises loss and forgetting alike. A correlation over prompts of such values
holds both. Values of the same prompt at *different* seeds share the prompt alone, so their
covariance over prompts is the prompts' own.

y_vps = mean + prompt_vp + seed_vs + e_vps for variable v, prompt p, seed s. With B the matrix of
mean cross products of prompts (P - 1 degrees of freedom) and E that of residuals ((P - 1)(S - 1)),

- (B - E) / S is the covariance of the prompts' own values, and equals the mean over all pairs of
  different seeds s ≠ s' of the covariance over prompts of y_vps and y_wps';
- B / S is the covariance of the seed-averaged values, which is that plus E / S.

This is how quantitative genetics tells genetic from environmental correlation, with prompts for
lines (Searle, Casella and McCulloch 1992, ch. 11).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sapo_analysis.analysis.intervals import Floats


@dataclass(frozen=True)
class AcrossSeeds:
    """Covariances over the prompts of one current task, variables x variables.

    Attributes:
        observed: Of seed-averaged values.
        prompt: The part of it that is the prompts' own; its diagonal may be below zero by chance.
        seed: The rest, which is the seed's: residual covariance of one trial ÷ seeds.
        n_prompts: Prompts.
        n_seeds: Seeds that all of them share, at least two.
    """

    observed: Floats
    prompt: Floats
    seed: Floats
    n_prompts: int
    n_seeds: int

    @property
    def over_sds(self) -> AcrossSeeds:
        """The same over the sds of seed-averaged values: correlations, and the two parts of them.

        The seed's part is multiplied by (P - 3) / (P - 1). Its divisor is a variance of P prompts,
        sometimes small, and for normal values the mean of 1 / s² is that much above 1 / σ²: were a
        trial's noise all there is and common to both, the part would be 1.22 of an r of 1 with
        P = 12. The diagonal of the prompts' part is then an unbiased reliability.
        """
        sds = np.sqrt(np.diag(self.observed))
        scale = np.outer(sds, sds)
        observed, seed = self.observed / scale, self.seed / scale * fewer(self.n_prompts)
        return AcrossSeeds(observed, observed - seed, seed, self.n_prompts, self.n_seeds)


def fewer(n_prompts: int) -> float:
    """What the variance of few prompts is worth as a divisor: 1 / mean of 1 / s², per σ²."""
    return (n_prompts - 3) / (n_prompts - 1)


def across_seeds(values: Floats) -> AcrossSeeds | None:
    """Covariances of values [variables, prompts, seeds] without gaps.

    Returns:
        None with fewer than two prompts or two seeds, where seed and prompt cannot be told apart.
    """
    _, n_prompts, n_seeds = values.shape
    if n_prompts < 2 or n_seeds < 2:
        return None
    grand = values.mean(axis=(1, 2), keepdims=True)
    prompts = values.mean(axis=2, keepdims=True) - grand
    residual = values - grand - prompts - (values.mean(axis=1, keepdims=True) - grand)
    observed = _products(prompts) / (n_prompts - 1)
    seed = _products(residual) / ((n_prompts - 1) * (n_seeds - 1)) / n_seeds
    return AcrossSeeds(observed, observed - seed, seed, n_prompts, n_seeds)


def _products(centred: Floats) -> Floats:
    flat = centred.reshape(len(centred), -1)
    products: Floats = flat @ flat.T
    return products
