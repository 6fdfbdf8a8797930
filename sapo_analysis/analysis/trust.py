"""What could make the headline of one outcome misleading: eight checks, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.cautions import NOT_CHECKED, unequal_learning
from sapo_analysis.analysis.claims import MIN_PROMPTS_THESE_TASKS, MIN_TASKS
from sapo_analysis.analysis.correlation import (
    MIN_PROMPTS,
    Statistic,
    pooled_correlation,
    within_task_correlation,
)
from sapo_analysis.analysis.estimate import Z_95
from sapo_analysis.analysis.impacts import CurrentTest, n_diverged
from sapo_analysis.analysis.intervals import fisher_z
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.noise import noise_band
from sapo_analysis.analysis.numerical_noise import numerical_noise, repeat_differences
from sapo_analysis.analysis.prompt_means import prompts_table
from sapo_analysis.analysis.wording import signed
from sapo_analysis.store import Run

UNEQUAL_LEARNING = "Equal learning"
"""Name of the check that asks whether prompts that forgot less also learned less."""


FAR_APART = 0.2
"""Pearson and Spearman further apart than this: far points weigh more than the ranks support."""


@dataclass(frozen=True)
class Check:
    """One thing to look at before believing the headline; `ok` False asks for care."""

    name: str
    ok: bool
    text: str


def trust(
    runs: Run | Sequence[Run],
    df: pd.DataFrame,
    score: str = "forgetting",
    loss: str = "forgetting_loss",
    role: str = "past",
    form: str = "score",
    x: str = "pre_update_loss",
    eval_task: str | None = None,
    current_test: CurrentTest = "training",
) -> list[Check]:
    """The checks of one outcome.

    Args:
        runs: The run the table was made of, or several that were joined.
        df: Their impacts table.
        score: The outcome's column in score form.
        loss: Its column in loss form.
        role: Role of the evaluated tasks.
        form: The form that is looked at, `score` or `loss`.
        x: Column of the indicator.
        eval_task: Only this evaluated task.
        current_test: As the table was made with.

    Raises:
        InputError: a column, role or task is unknown.
    """
    several = as_runs(runs)
    y = score if form == "score" else loss
    points = prompts_table(df, y, role, x, eval_task)
    return [
        _size(points),
        _noise(repeat_differences(several, current_test), df, points, y, role, eval_task),
        _forms(df, score, loss, role, x, eval_task),
        _shape(df, y, role, x, eval_task),
        _one_prompt(points, x, y),
        _pooled(df, y, role, x, eval_task),
        _runs(several),
        *([_learning(df, role)] if score == "forgetting" else []),
    ]


def leave_one_out(points: pd.DataFrame, x: str, y: str) -> tuple[float, float]:
    """The smallest and largest within-task r (tanh of mean z) when any one prompt is left out.

    Tasks with too few prompts or without spread do not enter; with none left both are nan.
    """
    whole: list[float] = []
    without: list[list[float]] = []
    for _, part in points.groupby("current_task", sort=True):
        a, b = part[x].to_numpy(float), part[y].to_numpy(float)
        if len(part) <= MIN_PROMPTS or not (np.ptp(a) > 0 and np.ptp(b) > 0):
            continue
        whole.append(_z(a, b))
        without.append([_z(np.delete(a, i), np.delete(b, i)) for i in range(len(a))])
    if not whole:
        return math.nan, math.nan
    total = sum(whole)
    means = [
        (total - z + other) / len(whole)
        for z, others in zip(whole, without, strict=True)
        for other in others
        if not math.isnan(other)
    ]
    return (math.tanh(min(means)), math.tanh(max(means))) if means else (math.nan, math.nan)


def _z(a: np.ndarray, b: np.ndarray) -> float:
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return math.nan
    return float(fisher_z(np.corrcoef(a, b)[0, 1]))


def _size(points: pd.DataFrame) -> Check:
    k = points["current_task"].nunique()
    n = int(points.groupby("current_task").size().min())
    text = f"{k} current task{'s' if k != 1 else ''}, at least {n} prompts each."
    if k < MIN_TASKS:
        text += f" It speaks of these tasks only: new tasks need at least {MIN_TASKS}."
    if n < MIN_PROMPTS_THESE_TASKS:
        text += f" A verdict on these tasks needs {MIN_PROMPTS_THESE_TASKS} prompts each."
    return Check("Tasks and prompts", k >= MIN_TASKS and n >= MIN_PROMPTS_THESE_TASKS, text)


def _noise(
    differences: pd.DataFrame,
    df: pd.DataFrame,
    points: pd.DataFrame,
    y: str,
    role: str,
    eval_task: str | None,
) -> Check:
    band = noise_band(df, y, role, eval_task).pooled
    rounding = numerical_noise(df, differences, y, role, eval_task).in_words()
    rounding = f" Rounding alone: {rounding}."
    if band is None:
        text = "Under two noise seeds: whether prompts differ by more than seeds do is not known."
        return Check("Seed noise", False, text + rounding)
    variances = points.groupby("current_task")[y].var(ddof=1)
    spread = float(np.sqrt(variances.mean()))
    noise = band.half_width / Z_95
    text = (
        f"Sd over prompts {spread:.3g}, seed noise of a point {noise:.3g}"
        f" ({band.n_noise_seeds} noise seeds).{rounding}"
    )
    if band.dashed:
        return Check("Seed noise", False, text + " Few noise seeds: noise is its upper limit.")
    if spread < Z_95 * noise:
        return Check("Seed noise", False, text + " Prompts hardly differ by more than seeds do.")
    return Check("Seed noise", True, text)


def _value(
    df: pd.DataFrame,
    y: str,
    role: str,
    x: str,
    eval_task: str | None,
    statistic: Statistic = "pearson",
) -> float:
    return within_task_correlation(
        df, x, y, role, statistic=statistic, eval_task=eval_task, n_permutations=0
    ).value


def _forms(
    df: pd.DataFrame, score: str, loss: str, role: str, x: str, eval_task: str | None
) -> Check:
    a, b = _value(df, score, role, x, eval_task), _value(df, loss, role, x, eval_task)
    # The final in-task score is good when high, the final in-task loss when low.
    flip = -1 if score == "score_after" else 1
    text = f"r = {signed(a)} in score, {signed(b)} in loss."
    if math.isnan(a) or math.isnan(b):
        return Check("Score and loss", False, text + " One form has no correlation.")
    if a * b * flip < 0:
        return Check("Score and loss", False, text + " They disagree: the verdict is unclear.")
    return Check("Score and loss", True, text)


def _shape(df: pd.DataFrame, y: str, role: str, x: str, eval_task: str | None) -> Check:
    a = _value(df, y, role, x, eval_task)
    b = _value(df, y, role, x, eval_task, "spearman")
    text = f"Pearson {signed(a)}, Spearman {signed(b)}."
    if math.isnan(a) or math.isnan(b):
        return Check("Shape", False, text + " There is no correlation to check.")
    if a * b < 0:
        return Check("Shape", False, text + " Shape matters: the signs differ.")
    if abs(a - b) > FAR_APART:
        return Check("Shape", False, text + " A few far prompts carry much of it.")
    return Check("Shape", True, text)


def _one_prompt(points: pd.DataFrame, x: str, y: str) -> Check:
    low, high = leave_one_out(points, x, y)
    if math.isnan(low):
        return Check("One prompt", False, "Too few prompts to leave one out.")
    text = f"Leaving out any one prompt, r stays between {signed(low)} and {signed(high)}."
    if low * high < 0:
        return Check("One prompt", False, text + " One prompt decides the sign.")
    return Check("One prompt", True, text)


def _pooled(df: pd.DataFrame, y: str, role: str, x: str, eval_task: str | None) -> Check:
    within = _value(df, y, role, x, eval_task)
    pooled = pooled_correlation(df, x, y, role, eval_task=eval_task, n_permutations=0).value
    text = f"Within tasks {signed(within)}, pooled {signed(pooled)}."
    if math.isnan(within) or math.isnan(pooled):
        return Check("Within or pooled", False, text + " There is no correlation to check.")
    if within * pooled < 0:
        return Check(
            "Within or pooled", False, text + " Task differences hide the prompts' effect."
        )
    return Check("Within or pooled", True, text)


def _runs(runs: list[Run]) -> Check:
    found = []
    if len(runs) > 1:
        found.append(
            f"{len(runs)} runs are joined: verdicts over them test something only if they were"
            " planned as one study."
        )
    for run in runs:
        which = f"{run.run_id}: " if len(runs) > 1 else ""
        if not run.is_complete:
            found.append(f"{which}{run.status.done} of {run.status.total} trials are done.")
        if run.has_random_weights:
            found.append(f"{which}The base model has random weights: this run is a control.")
        if run.is_imported:
            found.append(f"{which}Imported results: {NOT_CHECKED}.")
        if n := n_diverged(run):
            found.append(f"{which}{n} trial{'s' if n != 1 else ''} diverged and are in no table.")
    return Check("Run", not found, " ".join(found) or "Complete, trained weights, none diverged.")


def _learning(df: pd.DataFrame, role: str) -> Check:
    found = unequal_learning(df[df["purpose"] == "main"], role)
    return Check(UNEQUAL_LEARNING, not found and found.n_looked_at > 0, found.text)
