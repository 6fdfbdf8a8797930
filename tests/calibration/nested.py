"""Tables with a known truth: prompts within tasks, seeds within prompts.

Of task t the values that an analysis sees, averaged over seeds, are bivariate normal over prompts
with correlation tanh(z_t); z_t is drawn from a normal population of tasks. Seed noise is part of
them and has already lowered that correlation: a single trial owes half its variance to its prompt
and half to its seed. Where |tanh(z_t)| is more than the share of the prompts in averaged values,
noise is less and that share is as large as |tanh(z_t)|.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

SEED = 20250
"""Of every simulation."""
SHARE = 0.5
"""Of a single trial's variance over prompts: what the prompt decides."""
SAME_FORM = 0.9
"""What score and loss share: correlation of the parts of both that the indicator does not tell."""


@dataclass(frozen=True)
class Design:
    """What a study has: current tasks, prompts of each, seeds of each prompt."""

    tasks: int
    prompts: int
    seeds: int = 3

    def __str__(self) -> str:
        return f"{self.tasks} × {self.prompts} × {self.seeds}"


@dataclass(frozen=True)
class Population:
    """Fisher's z of tasks: normal with this mean and standard deviation."""

    mean: float
    sd: float

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """One value for each of `n` tasks."""
        return self.mean + self.sd * rng.standard_normal(n)


@dataclass(frozen=True)
class Values:
    """One study.

    Attributes:
        z: The tasks' true z.
        x: Indicator, tasks x prompts x seeds.
        y: Outcome, forms x tasks x prompts x seeds; of its mean over seeds the sd over prompts is
            1 in every task.
    """

    z: Floats
    x: Floats
    y: Floats


def generator(name: str, i: int) -> np.random.Generator:
    """Of table `i` of a cell: no table depends on how many were made before it."""
    return np.random.default_rng([SEED, crc32(name.encode()), i])


def nested(
    design: Design,
    population: Population,
    rng: np.random.Generator,
    n_forms: int = 1,
    tails: int = 0,
) -> Values:
    """A study with correlations drawn from a population of tasks.

    `tails`: degrees of freedom of a bivariate t with the same correlations and standard deviations,
    in place of the normal; 0 for the normal.
    """
    k, n, s = design.tasks, design.prompts, design.seeds
    z = population.draw(k, rng)
    r = np.tanh(z)
    reliability = np.maximum(s * SHARE / (s * SHARE + 1 - SHARE), np.abs(r))
    x = rng.standard_normal((k, n))
    own = r[:, np.newaxis] * x + np.sqrt(reliability - r**2)[:, np.newaxis] * in_forms(
        (k, n), rng, n_forms
    )
    noise = in_forms((k, n, s), rng, n_forms)
    noise *= np.sqrt((1 - reliability) * s)[:, np.newaxis, np.newaxis]
    common = rng.standard_normal((2, k, 1, s))  # what a seed does to all prompts alike
    levels = rng.standard_normal((2, k, 1, 1))
    size = np.sqrt((tails - 2) / rng.chisquare(tails, (k, n, 1))) if tails else 1.0
    return Values(
        z,
        size * x[..., np.newaxis] + common[0] + levels[0],
        size * (own[..., np.newaxis] + noise) + common[1] + levels[1],
    )


def in_forms(shape: tuple[int, ...], rng: np.random.Generator, n_forms: int) -> Floats:
    """Standard normal draws, forms first, correlated between forms by `SAME_FORM`."""
    if n_forms == 1:
        return rng.standard_normal((1, *shape))
    both, own = rng.standard_normal(shape), rng.standard_normal((n_forms, *shape))
    drawn: Floats = np.sqrt(SAME_FORM) * both + np.sqrt(1 - SAME_FORM) * own
    return drawn


@lru_cache(maxsize=8)
def keys(design: Design) -> pd.DataFrame:
    """`current_task`, `prompt_id`, `seed`: one row per value of arrays tasks x prompts x seeds."""
    task, prompt, seed = np.indices((design.tasks, design.prompts, design.seeds)).reshape(3, -1)
    columns = {
        "current_task": named(task, "task", design.tasks),
        "prompt_id": named(prompt, "prompt", design.prompts),
        "seed": seed,
    }
    return pd.DataFrame(columns)


def named(codes: npt.NDArray[np.intp], what: str, n: int) -> pd.Categorical:
    """Names in order of number; a category is compared faster than text."""
    return pd.Categorical.from_codes(codes, [f"{what}-{i:02d}" for i in range(n)])


def frame(design: Design, values: Values) -> pd.DataFrame:
    """The first form as a table of trials with `pre_update_loss` and `forgetting`."""
    return keys(design).assign(pre_update_loss=values.x.ravel(), forgetting=values.y[0].ravel())
