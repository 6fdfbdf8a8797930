"""How far results move when only the seed changes: variance over prompts and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.prompt_means import PromptMeans, select

Kind = Literal["prompt x seed", "same-prompt seed"]


@dataclass(frozen=True)
class Component:
    """A standard deviation and the degrees of freedom it was estimated with."""

    sigma: float
    df: int
    n_seeds: int
    n_prompts: int
    kind: Kind

    @property
    def upper(self) -> float:
        """Upper end of the 95 % chi-square interval: σ · √(df / χ²(0.025, df))."""
        return upper_limit(self.sigma, self.df)


def upper_limit(sigma: float, df: int) -> float:
    """Upper end of the 95 % chi-square interval of a standard deviation (3.7 σ with df = 3)."""
    if df < 1:
        return NAN
    from scipy.stats import chi2

    return sigma * float(np.sqrt(df / chi2.ppf(0.025, df)))


def rounding_of(values: Floats) -> float:
    """What subtracting means can leave of equal numbers: a smaller spread is none."""
    return 1e-12 * float(np.nanmax(np.abs(values)))


def two_way(cells: pd.DataFrame) -> Component | None:
    """The prompt x seed component of a two-way layout with one value per cell.

    y_ps = mean + prompt_p + seed_s + e_ps; σ² = Σ e² / ((P - 1)(S - 1)) after removing both
    margins, over the seeds that all prompts share. A seed effect common to all prompts is not in
    it.

    Args:
        cells: Prompts x seeds; nan where a prompt lacks a seed.

    Returns:
        None with fewer than two prompts or two shared seeds.
    """
    cells = cells.dropna(axis="index", how="all").dropna(axis="columns")
    n_prompts, n_seeds = cells.shape
    if n_prompts < 2 or n_seeds < 2:
        return None
    values = cells.to_numpy(dtype=float)
    residual = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    df = (n_prompts - 1) * (n_seeds - 1)
    return Component(
        float(np.sqrt(np.sum(residual**2) / df)), df, n_seeds, n_prompts, "prompt x seed"
    )


def same_prompt(cells: pd.DataFrame) -> Component | None:
    """The sd over seeds of one prompt's value, pooled over prompts.

    σ² = Σ_p Σ_s (y_ps - ȳ_p)² / Σ_p (S_p - 1).

    It contains seed effects common to all prompts, so as noise of differences between prompts it is
    an upper bound.

    Args:
        cells: Prompts x seeds; nan where a prompt lacks a seed.

    Returns:
        None when no prompt has two seeds.
    """
    cells = cells.dropna(axis="index", how="all").dropna(axis="columns", how="all")
    counts = cells.count(axis=1)
    df = int((counts - 1).sum()) if len(counts) else 0
    if df < 1:
        return None
    squares = cells.sub(cells.mean(axis=1), axis=0).pow(2).sum(axis=1)
    return Component(
        float(np.sqrt(squares.sum() / df)),
        df,
        int(counts.max()),
        int((counts > 1).sum()),
        "same-prompt seed",
    )


def seed_cells(
    df: pd.DataFrame,
    y: str,
    means: PromptMeans,
    *,
    role: str | None,
    purpose: str = "main",
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
) -> dict[str, pd.DataFrame]:
    """Per current task: prompts x seeds of y, averaged over evaluated tasks as `means` did."""
    if "purpose" not in df and purpose != "main":
        return {}
    rows = select(
        df, y, role=role, eval_task=eval_task, task=task, any_role=any_role, purpose=purpose
    )
    cells: dict[str, pd.DataFrame] = {}
    for name, weight in means.weights.items():
        part = rows[(rows["task"] == name) & rows["eval_task"].isin(weight.index)]
        if part.empty:
            continue
        weighted = part["y"].to_numpy() * weight.loc[part["eval_task"]].to_numpy()
        grouped = part.assign(y=weighted).groupby(["prompt_id", "seed"])["y"]
        # A trial that lacks an evaluated task would be a mean of something else: it is left out.
        averaged = grouped.mean()[grouped.size() == len(weight)]
        cells[name] = averaged.unstack("seed").sort_index()
    return cells
