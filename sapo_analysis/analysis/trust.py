"""What could make the headline of one outcome misleading: at most eight checks, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.cautions import NOT_CHECKED, unequal_learning
from sapo_analysis.analysis.claims import MIN_PROMPTS_THESE_TASKS, MIN_TASKS
from sapo_analysis.analysis.confounding.confounders import compare
from sapo_analysis.analysis.confounding.influence import Ranges, leave_one_out
from sapo_analysis.analysis.confounding.partial import HeldFixed
from sapo_analysis.analysis.estimate import SCOPES, Z_95
from sapo_analysis.analysis.impacts import CurrentTest, n_diverged
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.levels.correlation import (
    Statistic,
    constant,
    pooled_correlation,
    task_correlations,
    within_task_correlation,
)
from sapo_analysis.analysis.long_inputs import long_inputs
from sapo_analysis.analysis.noise.band import noise_band
from sapo_analysis.analysis.noise.numerical_noise import numerical_noise, repeat_differences
from sapo_analysis.analysis.noise.reliability import reliability
from sapo_analysis.analysis.prompt_means import prompts_table
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import asked_for, known
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.store import Run

UNEQUAL_LEARNING = "Equal learning"
"""Name of the check that asks whether prompts that forgot less also learned less."""

FAR_APART = 0.2
"""Pearson and Spearman further apart than this: far points weigh more than the ranks support."""

LENGTH = "prompt_length"
MOST = 0.5
"""Less than this share of r left with prompt length held fixed: most of it goes with length."""


@dataclass(frozen=True)
class Check:
    """One thing to look at before believing the headline; `ok` False asks for care."""

    name: str
    ok: bool
    text: str


@remembering()
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
        _noise(repeat_differences(several, current_test), df, points, y, role, x, eval_task),
        _form_and_shape(df, score, loss, form, role, x, eval_task),
        _one_left_out(leave_one_out(df, x, y, role, eval_task=eval_task)),
        _levels(df, y, role, x, eval_task),
        _length(df, y, role, x, eval_task),
        *([_learning(df, role)] if score == "forgetting" else []),
        _runs(several),
    ]


def _size(points: pd.DataFrame) -> Check:
    k = points["current_task"].nunique()
    n = int(points.groupby("current_task").size().min()) if k else 0
    text = f"{counted(k, 'current task')}, at least {counted(n, 'prompt')} each."
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
    x: str,
    eval_task: str | None,
) -> Check:
    band = noise_band(df, y, role, eval_task).pooled
    again = reliability(df, y, role, x, eval_task=eval_task)
    rounding = numerical_noise(df, differences, y, role, eval_task).in_words()
    rest = f" {again.text}" if again.n_seeds > 1 else ""
    rest += f" Rounding alone: {rounding}."
    if band is None and math.isnan(again.value):
        text = "Under two noise seeds: whether prompts differ by more than seeds do is not known."
        return Check("Seed noise", False, text + rest)
    if band is None:
        return Check("Seed noise", not again.is_low, "No noise trials." + rest)
    variances = points.groupby("current_task")[y].var(ddof=1)
    spread = float(np.sqrt(variances.mean()))
    noise = band.half_width / Z_95
    text = (
        f"Sd over prompts {spread:.3g}, seed noise of a point {noise:.3g}"
        f" ({band.n_noise_seeds} noise seeds).{rest}"
    )
    if band.dashed:
        return Check("Seed noise", False, text + " Few noise seeds: noise is its upper limit.")
    if spread < Z_95 * noise:
        return Check("Seed noise", False, text + " Prompts hardly differ by more than seeds do.")
    return Check("Seed noise", not again.is_low, text)


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


def _form_and_shape(
    df: pd.DataFrame,
    score: str,
    loss: str,
    form: str,
    role: str,
    x: str,
    eval_task: str | None,
) -> Check:
    name = "Form and shape"
    a, b = _value(df, score, role, x, eval_task), _value(df, loss, role, x, eval_task)
    own, y = (a, score) if form == "score" else (b, loss)
    ranked = _value(df, y, role, x, eval_task, "spearman")
    text = f"r = {signed(a)} in score, {signed(b)} in loss; Spearman {signed(ranked)} in {form}."
    if math.isnan(own):
        return Check(name, False, text + " There is no correlation to check.")
    found = []
    # The final in-task score is good when high, the final in-task loss when low.
    flip = -1 if score == "score_after" else 1
    if math.isnan(a) or math.isnan(b):
        found.append("One form has no correlation.")
    elif a * b * flip < 0:
        found.append("The forms disagree: the verdict is unclear.")
    if own * ranked < 0:
        found.append("Shape matters: Pearson and Spearman differ in sign.")
    elif abs(own - ranked) > FAR_APART:
        found.append("A few far prompts carry much of it.")
    return Check(name, not found, " ".join([text, *found]))


def _one_left_out(found: Ranges) -> Check:
    name = "One prompt or task"
    prompts, tasks = found.one_prompt, found.one_task
    if prompts.lowest is None or prompts.highest is None:
        return Check(name, False, "Too few prompts to leave one out.")
    text = "Leaving out any one prompt, r stays between"
    text += f" {signed(prompts.lowest.value)} and {signed(prompts.highest.value)}"
    if tasks.lowest is not None and tasks.highest is not None:
        text += f"; any one task, between {signed(tasks.lowest.value)}"
        text += f" and {signed(tasks.highest.value)}"
    problems = carried_by_one(found)
    return Check(name, not problems, " ".join([f"{text}.", *problems]))


def carried_by_one(found: Ranges, what: str = "r") -> list[str]:
    """What one prompt or one task decides, a sentence each.

    Of an interval for new tasks nothing is said where there are too few tasks for its verdict.

    Args:
        found: Of one estimate.
        what: What the estimate is called.
    """
    said = []
    turned = ""
    if left := found.turned_by:
        turned = left.name
        kind = "task" if left.prompt_id is None else "prompt"
        without = f"without {left.in_words} {what} is {signed(left.value)}"
        said.append(
            f"Without {left.in_words} nothing is left of it."
            if math.isnan(left.value)
            else f"One {kind} decides the sign: {without}."
        )
    for scope in SCOPES:
        left = found.carried_by(scope)
        if left and left.name != turned and (scope != "new_tasks" or found.n_tasks >= MIN_TASKS):
            said.append(
                f"Without {left.in_words} the interval for {SCOPE_WORDS[scope]} contains 0."
            )
    return said


def _levels(df: pd.DataFrame, y: str, role: str, x: str, eval_task: str | None) -> Check:
    name = "Within, pooled, each task"
    within = _value(df, y, role, x, eval_task)
    pooled = pooled_correlation(df, x, y, role, eval_task=eval_task, n_permutations=0).value
    each = task_correlations(df, x, y, role, eval_task=eval_task, n_permutations=0)
    agree = sum(one.value * within > 0 for one in each)
    if math.isnan(within) or math.isnan(pooled):
        return Check(name, False, "There is no correlation to check.")
    share = f"{agree} of {counted(len(each), 'task')} with that sign"
    text = f"Within tasks {signed(within)} ({share}), pooled {signed(pooled)}."
    found = []
    if within * pooled < 0:
        found.append("Task differences hide the prompts' effect.")
    if 3 * agree < 2 * len(each):
        found.append("Tasks disagree: two thirds should have one sign.")
    return Check(name, not found, " ".join([text, *found]))


def _length(df: pd.DataFrame, y: str, role: str, x: str, eval_task: str | None) -> Check:
    name = "Prompt length"
    if x == LENGTH:
        return Check(name, True, "It is the indicator itself.")
    rows = asked_for(df, role, eval_task) & known(df, x) & known(df, y)
    if LENGTH not in df or not (rows & known(df, LENGTH)).any():
        return Check(name, False, "Not known: whether it is behind the correlation cannot be told.")
    held = HeldFixed.of(df, x, y, [LENGTH], role, eval_task=eval_task)
    if all(constant(own.x) for own in held.of_controls[LENGTH].tasks.values()):
        return Check(name, True, "Prompts of one task are equally long.")
    found = compare(held, "pearson", 0, 0)[0]
    partial, raw = found.estimate.value, found.raw.value
    text = f"With length held fixed r = {signed(partial)}, without {signed(raw)}."
    if math.isnan(partial):
        return Check(name, False, "Too few prompts to hold it fixed.")
    if partial * raw < 0:
        return Check(name, False, text + " The sign turns: length may be behind it.")
    if abs(partial) < MOST * abs(raw):
        return Check(name, False, text + " Most of it goes with length.")
    return Check(name, True, text)


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
        if said := long_inputs(run):
            found.append(said)
        if n := n_diverged(run):
            found.append(f"{which}{n} trial{'s' if n != 1 else ''} diverged and are in no table.")
    return Check("Run", not found, " ".join(found) or "Complete, trained weights, none diverged.")


def _learning(df: pd.DataFrame, role: str) -> Check:
    found = unequal_learning(df, role)
    return Check(UNEQUAL_LEARNING, not found and found.n_looked_at > 0, found.text)
