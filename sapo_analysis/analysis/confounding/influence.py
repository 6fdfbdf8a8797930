"""Does one prompt or one task carry a correlation: what is left when each is left out in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from sapo_analysis.analysis.confounding.without_each import (
    correlations_without_each,
    rank_correlations_without_each,
)
from sapo_analysis.analysis.estimate import SCOPES, Scope, plain
from sapo_analysis.analysis.intervals import NAN, Floats, fisher_z, mean_intervals
from sapo_analysis.analysis.levels.correlation import (
    MIN_PROMPTS,
    Points,
    Statistic,
    TaskPoints,
    check_settings,
    points_of,
)
from sapo_analysis.analysis.prompt_means import PromptMeans, prompt_means
from sapo_analysis.analysis.selection import Names

What = Literal["prompt", "task"]


@dataclass(frozen=True)
class TaskLeftOut:
    """One task's value on the scale of its interval, whole and without each prompt.

    Attributes:
        name: The current task.
        prompts: Its prompts.
        value: Fisher's z, or a log ratio.
        error: Its standard error over prompts.
        without: The value without each prompt; nan where the task is then of no use.
        errors: Standard errors of these.
    """

    name: str
    prompts: Names
    value: float
    error: float
    without: Floats
    errors: Floats


@dataclass(frozen=True)
class Left:
    """An estimate over tasks without one prompt, or without one task.

    Attributes:
        current_task: The task left out, or that of the prompt.
        prompt_id: The prompt; None where the whole task is left out.
        value: The estimate without it; nan where nothing is left.
        new_tasks: Its 95 % interval for new tasks; nan where one task is left.
        these_tasks: Its 95 % interval for these tasks.
    """

    current_task: str
    prompt_id: str | None
    value: float
    new_tasks: tuple[float, float]
    these_tasks: tuple[float, float]

    @property
    def name(self) -> str:
        """What is left out, in words."""
        if self.prompt_id is None:
            return self.current_task
        return f"{self.prompt_id} of {self.current_task}"

    @property
    def in_words(self) -> str:
        """The same in a sentence."""
        return f"task {self.name}" if self.prompt_id is None else self.name


@dataclass(frozen=True)
class Range:
    """What leaving out one prompt, or one task, can make of an estimate.

    Attributes:
        what: `prompt` or `task`.
        lowest: Where the estimate is lowest; None where none can be left out.
        highest: Where it is highest.
        turns_sign: Where it is furthest on the other side of 0, or nothing is left; None where it
            keeps its sign whatever is left out.
        brings_zero: By scope, where an interval that is wholly on one side of 0 comes to contain
            it, and furthest so; None where it never does, or contains 0 anyway.
    """

    what: What
    lowest: Left | None
    highest: Left | None
    turns_sign: Left | None
    brings_zero: dict[Scope, Left | None]


@dataclass(frozen=True)
class Ranges:
    """An estimate over tasks, and what leaving out one prompt or one task can make of it.

    Attributes:
        value: The estimate with everything in: r, or claim 1's log ratio.
        new_tasks: Its 95 % interval for new tasks.
        these_tasks: Its 95 % interval for these tasks.
        one_prompt: Each prompt of each task left out in turn.
        one_task: Each task left out in turn.
        n_tasks: Current tasks that entered.
    """

    value: float
    new_tasks: tuple[float, float]
    these_tasks: tuple[float, float]
    one_prompt: Range
    one_task: Range
    n_tasks: int

    @property
    def turned_by(self) -> Left | None:
        """The prompt, or else the task, that alone decides the sign."""
        return self.one_prompt.turns_sign or self.one_task.turns_sign

    def carried_by(self, scope: Scope) -> Left | None:
        """The prompt, or else the task, that alone keeps the interval off 0."""
        return self.one_prompt.brings_zero[scope] or self.one_task.brings_zero[scope]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def influence(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
    statistic: Statistic = "pearson",
) -> pd.DataFrame:
    """How far each point moves the correlation within tasks, strongest first.

    A point is left out and the others stay as they are: averaged over the same seeds, and in the
    same unit where metrics differ. A task that is then left with fewer than four prompts, or with
    the same x or y for all of them, is out as `within_task_correlation` has it.

    Args:
        df: As `within_task_correlation`; so are the others.
        x: Column of the indicator.
        y: Column of the outcome.
        role: Role of the evaluated tasks.
        task: Column that names the current task.
        eval_task: Only this evaluated task.
        statistic: `pearson` or `spearman`.

    Returns:
        One row per (current task, prompt) that enters r: `task` column, `prompt_id`, `x`, `y`;
        `r_without`: r over all tasks without the point; `shift`: r_without - r; `task_r`: r over
        the prompts of its task; `task_r_without`: the same without it. By |shift|, falling; points
        without which no correlation is left (nan) come first.

    Raises:
        InputError: as `within_task_correlation`.
    """
    check_settings(statistic, 0, 0)
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    points = points_of(means, statistic)
    tasks = _without_each(points, means)
    columns = [task, "prompt_id", *dict.fromkeys((x, y))]
    columns += ["r_without", "shift", "task_r", "task_r_without"]
    if not tasks:
        return pd.DataFrame(columns=columns)
    whole, without = _whole(tasks), _one_prompt(tasks).value
    shift = np.tanh(without) - math.tanh(whole.value[0])
    table = means.table
    table = table[table[task].isin([own.name for own in tasks])].reset_index(drop=True)
    table = table.assign(
        r_without=np.tanh(without),
        shift=shift,
        task_r=np.repeat([one.r for one in points.tasks], [one.n for one in points.tasks]),
        task_r_without=np.concatenate([_r_without_each(one) for one in points.tasks]),
    )
    # Ties stay in order of task and prompt.
    order = np.argsort(-np.nan_to_num(np.abs(shift), nan=np.inf), kind="stable")
    return table.iloc[order][columns].reset_index(drop=True)


def leave_one_out(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
    statistic: Statistic = "pearson",
) -> Ranges:
    """The correlation within tasks when any one prompt, or any one task, is left out.

    Prompts are left out as in `influence`. The intervals are those of `within_task_correlation`.
    With no usable task every number is nan.

    Args:
        df: As `within_task_correlation`; so are the others.
        x: Column of the indicator.
        y: Column of the outcome.
        role: Role of the evaluated tasks.
        task: Column that names the current task.
        eval_task: Only this evaluated task.
        statistic: `pearson` or `spearman`.

    Raises:
        InputError: as `within_task_correlation`.
    """
    return ranges_of(tasks_left_out(df, x, y, role, task, eval_task, statistic))


def tasks_left_out(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
    statistic: Statistic = "pearson",
) -> list[TaskLeftOut]:
    """Fisher's z of each usable task, whole and without each prompt; as `leave_one_out`."""
    check_settings(statistic, 0, 0)
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    return _without_each(points_of(means, statistic), means)


def ranges_of(tasks: Sequence[TaskLeftOut], back: Callable[[Floats], Floats] = np.tanh) -> Ranges:
    """The ranges of a mean over tasks.

    Args:
        tasks: Their values, whole and without each prompt.
        back: From the scale of the values to that of the estimate: tanh for Fisher's z.
    """
    whole = _whole(tasks).on(back)
    prompts = [(one.name, str(prompt)) for one in tasks for prompt in one.prompts]
    names = [(one.name, None) for one in tasks]
    return Ranges(
        float(whole.value[0]),
        whole.bounds("new_tasks", 0),
        whole.bounds("these_tasks", 0),
        _range("prompt", prompts, _one_prompt(tasks).on(back), whole),
        _range("task", names, _one_task(tasks).on(back), whole),
        len(tasks),
    )


@dataclass(frozen=True)
class _Means:
    """Many means over tasks, with the bounds of their intervals; one place per mean."""

    value: Floats
    lower: dict[Scope, Floats]
    upper: dict[Scope, Floats]

    def on(self, scale: Callable[[Floats], Floats]) -> _Means:
        lower = {scope: scale(bounds) for scope, bounds in self.lower.items()}
        upper = {scope: scale(bounds) for scope, bounds in self.upper.items()}
        return _Means(scale(self.value), lower, upper)

    def bounds(self, scope: Scope, i: int) -> tuple[float, float]:
        return float(self.lower[scope][i]), float(self.upper[scope][i])


def _whole(tasks: Sequence[TaskLeftOut]) -> _Means:
    values, errors = (np.array([[getattr(t, n) for t in tasks]]) for n in ("value", "error"))
    return _means(values, errors)


def _one_prompt(tasks: Sequence[TaskLeftOut]) -> _Means:
    n = [len(one.without) for one in tasks]
    own = np.repeat(np.arange(len(tasks)), n)
    values, errors = (
        np.tile(np.array([getattr(one, name) for one in tasks], dtype=float), (len(own), 1))
        for name in ("value", "error")
    )
    if len(own):
        values[np.arange(len(own)), own] = np.concatenate([one.without for one in tasks])
        errors[np.arange(len(own)), own] = np.concatenate([one.errors for one in tasks])
    return _means(values, errors)


def _one_task(tasks: Sequence[TaskLeftOut]) -> _Means:
    k = len(tasks)
    out = np.eye(k, dtype=bool)
    values, errors = (
        np.where(out, NAN, np.array([getattr(one, name) for one in tasks], dtype=float))
        for name in ("value", "error")
    )
    return _means(values.reshape(k, k), errors.reshape(k, k))


def _means(values: Floats, errors: Floats) -> _Means:
    """The mean of every row [means, tasks], tasks with nan left out."""
    found = {scope: mean_intervals(values, errors, scope) for scope in SCOPES}
    return _Means(
        found["new_tasks"][0],
        {scope: lower for scope, (_, lower, _) in found.items()},
        {scope: upper for scope, (_, _, upper) in found.items()},
    )


def _range(
    what: What, names: Sequence[tuple[str, str | None]], found: _Means, whole: _Means
) -> Range:
    def left(i: int) -> Left:
        bounds = found.bounds("new_tasks", i), found.bounds("these_tasks", i)
        return Left(*names[i], float(found.value[i]), *bounds)

    known = np.flatnonzero(~np.isnan(found.value))
    if not len(known):
        return Range(what, None, None, None, dict.fromkeys(SCOPES))
    sign = float(np.sign(whole.value[0]))
    gone = np.flatnonzero(np.isnan(found.value))
    signed = sign * found.value
    furthest = int(gone[0]) if len(gone) else int(known[np.argmin(signed[known])])
    turned = len(gone) > 0 or signed[furthest] < 0
    return Range(
        what,
        left(int(known[np.argmin(found.value[known])])),
        left(int(known[np.argmax(found.value[known])])),
        left(furthest) if turned else None,
        {scope: _bringing_zero(found, whole, scope, left) for scope in SCOPES},
    )


def _bringing_zero(
    found: _Means, whole: _Means, scope: Scope, left: Callable[[int], Left]
) -> Left | None:
    lower, upper = whole.bounds(scope, 0)
    if math.isnan(lower) or lower <= 0 <= upper:
        return None
    # The end that is nearer to 0, counted from the side on which the interval is.
    near = found.lower[scope] if lower > 0 else -found.upper[scope]
    known = np.flatnonzero(~np.isnan(near))
    if not len(known):
        return None
    worst = int(known[np.argmin(near[known])])
    return left(worst) if near[worst] <= 0 else None


def _without_each(points: Points, means: PromptMeans) -> list[TaskLeftOut]:
    return [
        TaskLeftOut(
            one.name,
            means.tasks[one.name].prompts,
            one.z,
            one.se,
            *_z_without_each(one),
        )
        for one in points.tasks
    ]


def _r_without_each(one: TaskPoints) -> Floats:
    if one.n <= MIN_PROMPTS:
        return np.full(one.n, NAN)
    if one.statistic == "spearman":
        return rank_correlations_without_each(one.x, one.y)
    return correlations_without_each(np.column_stack([one.x, one.y]))[:, 0]


def _z_without_each(one: TaskPoints) -> tuple[Floats, Floats]:
    if one.n <= MIN_PROMPTS:
        return np.full(one.n, NAN), np.full(one.n, NAN)
    # Limit and error are those of one prompt less, whichever it is.
    fewer = replace(one, x=one.x[1:], y=one.y[1:])
    return fisher_z(_r_without_each(one), fewer.limit), np.full(one.n, fewer.se)
