"""Repeated-measures correlation: how tightly points lie about lines of one slope in all tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Z_95, Estimate
from sapo_analysis.analysis.intervals import NAN, fisher_z
from sapo_analysis.analysis.levels.correlation import estimate_of, points_of
from sapo_analysis.analysis.prompt_means import prompt_means

STATISTIC = "repeated_measures"


def repeated_measures_correlation(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
) -> Estimate:
    """The correlation of x and y over all points, each task's means taken off (Bakdash 2017).

    Analysis of covariance with an intercept per current task and one slope: r = the slope's sign ·
    √(SS of x / (SS of x + SS of error)), with N - k - 1 degrees of freedom for N points of k tasks.
    Interval: tanh(atanh r ± 1.96 / √(N - k - 2)); p from F(1, N - k - 1) (Bakdash and Marusich
    2017). A perfect r is held at 1 - 1e-12.

    Beside the headline, never in its place. It assumes one slope in all tasks, so its interval does
    not know how tasks differ and speaks of these tasks only; and a task counts by its points and
    their spread, where the headline counts tasks alike. It is of the same tasks and prompts as
    `within_task_correlation`: tasks with fewer than four prompts or without spread in x or y are
    left out, so are prompts without a value of x; `method` names both. With no task left all is
    nan.

    Args:
        df: Any table with columns x, y and `task`; see `prompts_table`.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks; needed when y has values for several.
        task: Column that names the current task.
        eval_task: Only this evaluated task.

    Raises:
        InputError: a column or role is unknown, or several roles have values and none was chosen.
    """
    from scipy.special import betainc

    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    points = points_of(means, "pearson")
    value = lower = upper = p = NAN
    if points.tasks:
        dx = np.concatenate([t.x - t.x.mean() for t in points.tasks])
        dy = np.concatenate([t.y - t.y.mean() for t in points.tasks])
        free = len(dx) - len(points.tasks) - 1
        value = float(np.clip(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)), -1, 1))
        z, half = fisher_z(value), Z_95 / np.sqrt(free - 1)
        value, lower, upper = (float(np.tanh(bound)) for bound in (z, z - half, z + half))
        # The upper tail of F(1, free) at F = r² · free / (1 - r²). It may be too small for a
        # float, but no p is 0.
        p = max(float(betainc(free / 2, 0.5, 1 - value**2)), np.finfo(float).tiny)
    method = (
        "repeated-measures correlation, reported as such beside the headline: common slope with an"
        f" intercept per task, assumes one slope in all tasks; p of F, Fisher z interval"
        f"{points.left_out}"
    )
    return estimate_of(
        points,
        x,
        y,
        None,
        (value, lower, upper),
        "within_task",
        "these_tasks",
        STATISTIC,
        p,
        method,
    )
