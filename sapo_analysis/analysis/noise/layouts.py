"""Prompts x seeds of one quantity, task by task: the cells whose means over seeds are the points.

Exactly the values that `prompt_means` averages, so what is said of their noise is said of the
points of every scatter and correlation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.prompt_means import PromptMeans, over_eval_tasks, prompt_means
from sapo_analysis.analysis.selection import Names, select


@dataclass(frozen=True)
class Layout:
    """One current task without gaps: x and y are prompts x seeds, both in order of name.

    y is the mean over evaluated tasks, weighted as in `TaskMeans`; x the plain mean over the same,
    0 where none was asked for.
    """

    prompts: Names
    seeds: Names
    x: Floats
    y: Floats


def layouts(
    df: pd.DataFrame,
    y: str,
    *,
    role: str | None = None,
    x: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
    rescale: bool = True,
) -> tuple[PromptMeans, dict[str, Layout]]:
    """The points of `prompt_means`, and by current task what they are the means of.

    Raises:
        InputError: as `prompts_table`.
    """
    means = prompt_means(
        df,
        y,
        role=role,
        x=x,
        eval_task=eval_task,
        task=task,
        any_role=any_role,
        rescale=rescale,
    )
    found: dict[str, Layout] = {}
    rows = select(df, y, role=role, x=x, eval_task=eval_task, task=task, any_role=any_role)
    for name, grid in rows.by_task():
        if name not in means.tasks:
            continue
        weights = means.tasks[name].weights
        own_y = over_eval_tasks(grid, grid.y, weights)
        own_x = over_eval_tasks(grid, grid.x, dict.fromkeys(weights, 1.0))
        shared = ~np.isnan(own_y).any(axis=0)
        found[name] = Layout(grid.prompts, grid.seeds[shared], own_x[:, shared], own_y[:, shared])
    return means, found
