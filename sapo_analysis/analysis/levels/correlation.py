"""Correlation of a prompt's indicator with what training on it did: per task, within, pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import CONFIDENCE, Z_95, Estimate, Level, Scope, check_scope
from sapo_analysis.analysis.intervals import NAN, Floats, fisher_z, mean_interval, perfect_limit
from sapo_analysis.analysis.levels.kendall import perfect_tau, tau_b
from sapo_analysis.analysis.levels.permutation import null_correlations, shuffled, two_sided_p
from sapo_analysis.analysis.prompt_means import PromptMeans, prompt_means
from sapo_analysis.analysis.remembering import remembered
from sapo_analysis.errors import InputError, unknown

Statistic = Literal["pearson", "spearman", "kendall"]
STATISTICS: tuple[Statistic, ...] = ("pearson", "spearman")
"""What pages and reports show."""
ALL_STATISTICS: tuple[Statistic, ...] = (*STATISTICS, "kendall")
"""What the correlations of this module accept."""
ROUNDING = 1e-10
"""Of the largest value of a column: what two of them may differ by and still be equal."""
N_PERMUTATIONS = 9999
MIN_PROMPTS = 4
"""Fewer prompts leave Fisher's z no degree of freedom (n - 3)."""
MIN_PROMPTS_KENDALL = 5
"""The same of Kendall's tau (n - 4)."""
UNIT = "correlation (-1 to 1)"


@dataclass(frozen=True)
class TaskPoints:
    """The points of one current task; for Spearman and Kendall x and y hold ranks."""

    name: str
    x: Floats
    y: Floats
    n_seeds: int
    statistic: Statistic
    # Both scopes and the task alone ask for the same shuffles.
    _nulls: dict[tuple[int, int, int], Floats] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def n(self) -> int:
        """Prompts."""
        return len(self.x)

    @cached_property
    def r(self) -> float:
        """Correlation over prompts; for Kendall tau-b."""
        if self.statistic == "kendall":
            return float(tau_b(self.x, self.y[np.newaxis])[0])
        return float(np.clip(np.corrcoef(self.x, self.y)[0, 1], -1, 1))

    @property
    def limit(self) -> float:
        """Where |r| is held before atanh.

        A perfect rank order of few prompts is common and would make the mean infinite: it counts as
        halfway to the next smaller rank correlation, 1 - 6 / (n (n² - 1)), for Kendall
        1 - 2 / (n (n - 1)).
        """
        if self.statistic == "kendall":
            return perfect_tau(self.n)
        return 1 - 1e-12 if self.statistic == "pearson" else perfect_limit(self.n)

    @cached_property
    def z(self) -> float:
        """Fisher's z of r."""
        return float(fisher_z(self.r, self.limit))

    @property
    def se(self) -> float:
        """Standard error of z: 1 / √(n - 3), for Spearman 1.03 / √(n - 3).

        For Kendall √(0.437 / (n - 4)) (Fieller, Hartley and Pearson 1957).
        """
        if self.statistic == "kendall":
            return float(np.sqrt(0.437 / (self.n - 4)))
        return (1.0 if self.statistic == "pearson" else 1.03) / float(np.sqrt(self.n - 3))

    def null_z(self, m: int, seed: int, stream: int) -> Floats:
        """Fisher's z of `m` shuffles of the prompts."""
        asked = (m, seed, stream)
        if asked not in self._nulls:
            self._nulls[asked] = self._shuffled_z(m, seed, stream)
        return self._nulls[asked]

    def _shuffled_z(self, m: int, seed: int, stream: int) -> Floats:
        if self.statistic == "kendall":
            return fisher_z(tau_b(self.x, shuffled(self.y, m, seed, stream)), self.limit)
        return fisher_z(null_correlations(self.x, self.y, m, seed, stream), self.limit)


@dataclass(frozen=True)
class Points:
    """Usable tasks in order of name, why others were left out, and prompts that were."""

    tasks: Sequence[TaskPoints]
    excluded: dict[str, str]
    role: str | None
    incomplete: str = ""

    @property
    def left_out(self) -> str:
        """Text for `Estimate.method`; empty when every task and prompt is in."""
        listed = "; ".join(f"{name}: {reason}" for name, reason in sorted(self.excluded.items()))
        if not self.tasks and not listed and not self.incomplete:
            listed = "every row, as none has a value of both"
        return (f". Left out: {listed}" if listed else "") + self.incomplete


def within_task_correlation(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    scope: Scope = "new_tasks",
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Estimate:
    """Correlation of x and y over prompts, within each current task, averaged over tasks.

    Estimand: tanh of the mean over the k tasks of z_t = atanh(r_t), where r_t is over prompts of
    task t with values averaged over evaluated tasks and shared seeds (`prompts_table`). Seed noise
    attenuates it. The interval is made on z: `intervals.mean_interval` with se_t = 1/√(n_t - 3)
    (Spearman 1.03/√(n_t - 3), Kendall √(0.437/(n_t - 4))). Tasks with fewer than four prompts
    (Kendall: five) or without spread in x or y are left out, so are prompts without a value of x;
    `method` names both. With no task left the value is nan.

    Kendall's tau-b is on a scale of its own: of bivariate normal points it is 2/π · asin r, so its
    size is not to be compared with that of r.

    p: prompts shuffled within each task, statistic |mean z|, two-sided, (b + 1) / (m + 1). In
    either scope it is of these tasks, no correlation in any of them, and does not know how much
    tasks differ: of new tasks the interval alone speaks.

    Args:
        df: Any table with columns x, y and `task`; see `prompts_table`.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks; needed when y has values for several.
        task: Column that names the current task.
        scope: `new_tasks` or `these_tasks`.
        statistic: `pearson`, `spearman` or `kendall`.
        eval_task: Only this evaluated task.
        n_permutations: Shuffles; 0 for none (p is nan).
        seed: Seed of the shuffles.

    Raises:
        InputError: a column, role, scope or statistic is unknown, or several roles have values and
            none was chosen.
    """
    check_scope(scope)
    points = points_in(df, x, y, role, task, statistic, eval_task, n_permutations, seed)
    return over_tasks(points, x, y, scope, statistic, _words(statistic), n_permutations, seed)


def over_tasks(
    points: Points,
    x: str,
    y: str,
    scope: Scope,
    statistic: str,
    what: str,
    n_permutations: int,
    seed: int,
) -> Estimate:
    """The mean over tasks of Fisher's z, with interval and p; `what` is averaged, in words."""
    tasks = points.tasks
    values, errors = np.array([t.z for t in tasks]), np.array([t.se for t in tasks])
    z, lower, upper = mean_interval(values, errors, scope)
    p = NAN
    if tasks and n_permutations:
        null = np.mean([t.null_z(n_permutations, seed, i) for i, t in enumerate(tasks)], axis=0)
        p = two_sided_p(z, null)
    how = (
        f"Student t over {len(tasks)} tasks"
        if scope == "new_tasks"
        else "normal, per-task errors over prompts"
    )
    method = f"{what} per task, mean of Fisher z, {how}{points.left_out}"
    return _estimate(
        x, y, points, None, (z, lower, upper), "within_task", scope, statistic, p, method, seed
    )


def task_correlations(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> list[Estimate]:
    """The correlation over prompts of each current task, in order of name.

    Interval: tanh(z ± 1.96 · se), se as in `within_task_correlation`, and so are arguments and
    errors; tasks that it leaves out are absent.
    """
    points = points_in(df, x, y, role, task, statistic, eval_task, n_permutations, seed)
    estimates = []
    for i, one in enumerate(points.tasks):
        p = two_sided_p(one.z, one.null_z(n_permutations, seed, i)) if n_permutations else NAN
        bounds = (one.z, one.z - Z_95 * one.se, one.z + Z_95 * one.se)
        only = Points([one], {}, points.role)
        method = f"{_words(statistic)} over prompts, Fisher z interval"
        estimates.append(
            _estimate(
                x, y, only, one.name, bounds, "task", "these_tasks", statistic, p, method, seed
            )
        )
    return estimates


def pooled_correlation(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    statistic: Statistic = "pearson",
    eval_task: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Estimate:
    """The correlation over all (current task, prompt) points at once: secondary.

    It mixes differences between tasks with differences between prompts, and its Fisher interval
    treats points of one task as independent. p: prompts shuffled within task, statistic |pooled z|;
    for Kendall its time goes with the square of all points. Arguments and errors as in
    `within_task_correlation`.
    """
    check_settings(statistic, n_permutations, seed, ALL_STATISTICS)
    points = points_in(
        df, x, y, role, task, "pearson", eval_task, n_permutations, seed, min_prompts=1
    )
    z = lower = upper = p = NAN
    none = ""
    if points.tasks:
        raw_y = [t.y for t in points.tasks]
        xs, ys = np.concatenate([t.x for t in points.tasks]), np.concatenate(raw_y)
        blocks = np.cumsum([t.n for t in points.tasks])[:-1]
        if statistic != "pearson":
            xs, ys = ranks(xs), ranks(ys)
        if len(xs) < min_prompts_of(statistic):
            none = f"{len(xs)} points, at least {min_prompts_of(statistic)} are needed"
        elif constant(xs) or constant(ys):
            none = f"{x if constant(xs) else y} is the same for every point"
        else:
            whole = TaskPoints("", xs, ys, 0, statistic)
            z, lower, upper = whole.z, whole.z - Z_95 * whole.se, whole.z + Z_95 * whole.se
            if n_permutations:
                dx, dy = xs - xs.mean(), ys - ys.mean()
                parts = (
                    shuffled(own, n_permutations, seed, i)
                    for i, own in enumerate(np.split(dy, blocks))
                )
                if statistic == "kendall":
                    null = tau_b(xs, np.concatenate(list(parts), axis=1))
                else:
                    sums = [
                        part @ own for part, own in zip(parts, np.split(dx, blocks), strict=True)
                    ]
                    null = np.sum(sums, axis=0) / np.sqrt(np.sum(dx**2) * np.sum(dy**2))
                p = two_sided_p(z, fisher_z(null, whole.limit))
    method = f"{_words(statistic)} over all points, mixes tasks with prompts, Fisher z interval"
    method += f"; no value: {none}" * bool(none) + points.left_out
    bounds = (z, lower, upper)
    return _estimate(
        x, y, points, None, bounds, "pooled", "these_tasks", statistic, p, method, seed
    )


@remembered
def points_in(
    df: pd.DataFrame,
    x: str,
    y: str,
    role: str | None,
    task: str,
    statistic: Statistic,
    eval_task: str | None,
    n_permutations: int,
    seed: int,
    min_prompts: int | None = None,
) -> Points:
    """The points that a correlation is of; arguments and errors as `within_task_correlation`."""
    check_settings(statistic, n_permutations, seed, ALL_STATISTICS)
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    return points_of(means, statistic, min_prompts)


def check_settings(
    statistic: str,
    n_permutations: int,
    seed: int,
    accepted: tuple[Statistic, ...] = STATISTICS,
) -> None:
    """Refuse a statistic that does not exist or is not made here, and numbers that are no counts.

    Raises:
        InputError: naming the setting, its value and what is allowed.
    """
    if statistic not in ALL_STATISTICS:
        raise unknown("statistic", statistic, accepted)
    if statistic not in accepted:
        raise InputError(
            f"Statistic {statistic!r} is for within_task_correlation, task_correlations and"
            f" pooled_correlation alone. Choose {' or '.join(accepted)}."
        )
    for name, number in (("n_permutations", n_permutations), ("seed", seed)):
        if not isinstance(number, int) or number < 0:
            raise InputError(f"{name} is {number!r}; it must be a whole number of at least 0.")


def points_of(means: PromptMeans, statistic: Statistic, min_prompts: int | None = None) -> Points:
    """The points of each task that a correlation can be made of; by default of enough prompts."""
    if min_prompts is None:
        min_prompts = min_prompts_of(statistic)
    usable, excluded = [], dict(means.excluded)
    _, x, y = means.columns
    for name, own in means.tasks.items():
        xs, ys = own.x, own.y
        if len(xs) < min_prompts:
            excluded[name] = f"{len(xs)} prompts, at least {min_prompts} are needed"
        elif min_prompts > 1 and (constant(xs) or constant(ys)):
            excluded[name] = f"{x if constant(xs) else y} is the same for every prompt"
        else:
            if statistic != "pearson":
                xs, ys = ranks(xs), ranks(ys)
            usable.append(TaskPoints(name, xs, ys, own.n_seeds, statistic))
    return Points(usable, excluded, means.role, means.incomplete)


def min_prompts_of(statistic: Statistic) -> int:
    """Prompts that a task needs."""
    return MIN_PROMPTS_KENDALL if statistic == "kendall" else MIN_PROMPTS


def _words(statistic: Statistic) -> str:
    return "kendall tau-b" if statistic == "kendall" else f"{statistic} r"


def _estimate(
    x: str,
    y: str,
    points: Points,
    task: str | None,
    z: tuple[float, float, float],
    level: Level,
    scope: Scope,
    statistic: str,
    p: float,
    method: str,
    seed: int,
) -> Estimate:
    value, lower, upper = (float(np.tanh(bound)) for bound in z)
    bounds = (value, lower, upper)
    return estimate_of(points, x, y, task, bounds, level, scope, statistic, p, method, seed)


def estimate_of(
    points: Points,
    x: str,
    y: str,
    task: str | None,
    bounds: tuple[float, float, float],
    level: Level,
    scope: Scope,
    statistic: str,
    p: float,
    method: str,
    seed: int = 0,
    unit: str = UNIT,
) -> Estimate:
    """What was made of points, with how many of them there were; bounds: value, lower, upper."""
    value, lower, upper = bounds
    return Estimate(
        x=x,
        y=y,
        role=points.role,
        task=task,
        value=value,
        lower=lower,
        upper=upper,
        confidence=CONFIDENCE,
        level=level,
        scope=scope,
        statistic=statistic,
        p=p,
        n_prompts=min((t.n for t in points.tasks), default=0),
        n_tasks=len(points.tasks),
        n_seeds=min((t.n_seeds for t in points.tasks), default=0),
        method=method,
        seed=seed,
        unit=unit,
    )


def ranks(values: Floats) -> Floats:
    """Ranks from 1; tied values share their mean rank.

    Values are tied where they are equal, rounding apart: the means of (1, 2, 3) and of (3, 2, 1)
    over seeds may differ in their last bit, and that says nothing of which is larger.
    """
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > ROUNDING * np.max(np.abs(values), initial=0.0)
    groups = np.empty(len(values), dtype=np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(steps)])[: len(values)]
    return np.asarray(pd.Series(groups).rank(), dtype=np.float64)


def constant(values: Floats) -> bool:
    """Whether all values are the same, rounding apart."""
    return bool(np.ptp(values) <= ROUNDING * np.max(np.abs(values), initial=0.0))
