"""How much y changes with x over the prompts of a task, in their units: the Theil-Sen slope.

The median of the slopes of all pairs of prompts. A few far prompts do not move it, and unlike a
correlation it says how large an effect is, not how tightly points lie about a line.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from sapo_analysis.analysis.estimate import Z_95, Estimate, Level, Scope, check_scope
from sapo_analysis.analysis.intervals import NAN, Floats, mean_interval
from sapo_analysis.analysis.levels.correlation import Points, estimate_of, points_of
from sapo_analysis.analysis.prompt_means import PromptMeans, prompt_means
from sapo_analysis.analysis.quantities import LOSS_UNIT, SCORE_UNIT, unit_of

STATISTIC = "theil_sen"
_ROUNDING = 1e-10
Slope = tuple[float, float, float]
"""Value, lower and upper bound."""


def theil_sen(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    scope: Scope = "new_tasks",
    eval_task: str | None = None,
) -> Estimate:
    """The Theil-Sen slope of y on x over prompts within each current task, averaged over tasks.

    The interval is `intervals.mean_interval` over the slopes of `task_slopes`: Student t for new
    tasks; for these tasks with se = (upper - lower) / (2 · 1.96) of each task's own interval, nan
    where a task has none. Tasks with fewer than four prompts or without spread in x or y are left
    out, so are prompts without a value of x; `method` names both. With no task left the value is
    nan. No p is made: that of Kendall's tau asks whether slopes differ from 0.

    Args:
        df: Any table with columns x, y and `task`; see `prompts_table`.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks; needed when y has values for several.
        task: Column that names the current task.
        scope: `new_tasks` or `these_tasks`.
        eval_task: Only this evaluated task.

    Raises:
        InputError: a column, role or scope is unknown, or several roles have values and none was
            chosen.
    """
    check_scope(scope)
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    points = points_of(means, "pearson")
    slopes = np.array([slope(t.x, t.y) for t in points.tasks]).reshape(-1, 3)
    errors = (slopes[:, 2] - slopes[:, 1]) / (2 * Z_95)
    how = f"Student t over {len(slopes)} tasks"
    if scope == "these_tasks":
        how = "normal, per-task errors from Sen's intervals"
        if blunt := [
            t.name for t, error in zip(points.tasks, errors, strict=True) if error != error
        ]:
            how += f"; that of {', '.join(blunt)} has no width"
    method = f"Theil-Sen slope per task, mean over tasks, {how}{points.left_out}"
    bounds = mean_interval(slopes[:, 0], errors, scope)
    return _estimate(points, means, None, bounds, scope, method)


def task_slopes(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
) -> list[Estimate]:
    """The Theil-Sen slope over the prompts of each current task, in order of name.

    Interval: Sen (1968), see `slope`. Arguments and errors as in `theil_sen`; tasks that it leaves
    out are absent.
    """
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    points = points_of(means, "pearson")
    estimates = []
    for one in points.tasks:
        bounds = slope(one.x, one.y)
        method = "Theil-Sen slope over prompts, Sen's interval"
        if math.isnan(bounds[1]):
            method += " left out as it has no width"
        only = Points([one], {}, points.role)
        estimates.append(_estimate(only, means, one.name, bounds, "these_tasks", method))
    return estimates


def slope(x: Floats, y: Floats) -> Slope:
    """The median slope of all pairs that differ in x, and Sen's 95 % interval.

    The bounds are those slopes that lie 1.96 standard deviations of Kendall's S, corrected for
    ties, from the middle of their order. Of four prompts they are the smallest and the largest,
    which hold the true slope in 92 of 100 cases. Where they are equal both are nan: more than half
    of the pairs tie in y or the points lie on one line, and no width would claim a certainty that
    these few points do not give.

    Args:
        x: The indicator, one value per prompt, not all the same.
        y: The outcome.
    """
    x_level, y_level = _levels(x), _levels(y)
    i, j = np.triu_indices(len(x), 1)
    apart = x_level[i] != x_level[j]
    i, j = i[apart], j[apart]
    slopes = np.sort((y[i] - y[j]) / (x[i] - x[j]))
    n = len(slopes)
    variance = _s_terms(np.array([len(x)])) - sum(
        _s_terms(np.bincount(level)) for level in (x_level, y_level)
    )
    half = Z_95 * math.sqrt(max(variance, 0) / 18)
    lower = float(slopes[max(round((n - half) / 2) - 1, 0)])
    upper = float(slopes[min(round((n + half) / 2), n - 1)])
    if upper - lower <= _ROUNDING * max(abs(lower), abs(upper)):
        lower = upper = NAN
    return float(np.median(slopes)), lower, upper


def _levels(values: Floats) -> npt.NDArray[np.intp]:
    """Which distinct value each is, from 0: means over seeds of equal values differ by rounding."""
    scale = float(np.max(np.abs(values))) or 1.0
    return np.unique(np.round(values / scale, 10), return_inverse=True)[1]


def _s_terms(counts: npt.NDArray[np.intp]) -> int:
    """18 times what groups of that many points add to the variance of Kendall's S."""
    return int(np.sum(counts * (counts - 1) * (2 * counts + 5)))


def _estimate(
    points: Points,
    means: PromptMeans,
    task: str | None,
    bounds: Slope,
    scope: Scope,
    method: str,
) -> Estimate:
    _, x, y = means.columns
    level: Level = "within_task" if task is None else "task"
    unit = _unit(str(x), y, means.unit)
    return estimate_of(
        points, str(x), y, task, bounds, level, scope, STATISTIC, NAN, method, unit=unit
    )


def _unit(x: str, y: str, unit: str) -> str:
    """`points per nat per target token`; a column of unknown unit is named."""
    above = "points" if unit == SCORE_UNIT else unit or f"units of {y}"
    below = LOSS_UNIT.replace("nats", "nat") if unit_of(x) == LOSS_UNIT else f"unit of {x}"
    return f"{above} per {below}"
