"""How far results move when only the seed changes: variance over prompts and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import NAN, Floats
from sapo_analysis.analysis.prompt_means import PromptMeans, over_eval_tasks
from sapo_analysis.analysis.quantiles import chi_square
from sapo_analysis.analysis.selection import select

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
    return sigma * float(np.sqrt(df / chi_square(0.025, df)))


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
    values = shared_cells(cells)
    n_prompts, n_seeds = values.shape
    if n_prompts < 2 or n_seeds < 2:
        return None
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
    values = cells.to_numpy(dtype=float)
    values = values[~np.isnan(values).all(axis=1)]
    counts = np.sum(~np.isnan(values), axis=1)
    df = int(np.sum(counts - 1))
    if df < 1:
        return None
    squares = np.nansum((values - np.nanmean(values, axis=1, keepdims=True)) ** 2, axis=1)
    return Component(
        float(np.sqrt(np.sum(squares) / df)),
        df,
        int(counts.max()),
        int((counts > 1).sum()),
        "same-prompt seed",
    )


def shared_cells(cells: pd.DataFrame) -> Floats:
    """The prompts that have a value at all, by the seeds at which all of these have one."""
    values = cells.to_numpy(dtype=float)
    missing = np.isnan(values)
    some = ~missing.all(axis=1)
    shared: Floats = values[some][:, ~missing[some].any(axis=0)]
    return shared


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
    for name, grid in rows.by_task():
        weights = means.tasks[name].weights if name in means.tasks else {}
        if weights.keys() & set(grid.eval_tasks):
            values = over_eval_tasks(grid, grid.y, weights)
            cells[name] = pd.DataFrame(values, index=grid.prompts, columns=grid.seeds)
    return cells
