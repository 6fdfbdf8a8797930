"""Each claim's statistic per current task, whole and with each prompt left out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from sapo_analysis.analysis.claims import CLAIM_OUTCOMES
from sapo_analysis.analysis.confounding.influence import (
    Ranges,
    TaskLeftOut,
    ranges_of,
    tasks_left_out,
)
from sapo_analysis.analysis.confounding.without_each import (
    correlations_without_each,
    products_without_each,
)
from sapo_analysis.analysis.estimate import Form
from sapo_analysis.analysis.intervals import NAN, Floats, differs, fisher_z, perfect_limit
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.prompt_means import cells_of, prompt_means
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.selection import Names


def claim_tasks(
    df: pd.DataFrame, claim: str, form: Form, x: str = "pre_update_loss"
) -> list[TaskLeftOut]:
    """The values that `claims` averages over current tasks, and these without each prompt.

    Claim 1: log ratio of standard deviations. Claim 2: mean Fisher z over pairs of other tasks;
    without a prompt the same other tasks are compared, and the error is taken to stay the same.
    Claim 3: as `influence`.

    Args:
        df: An impacts table with all roles.
        claim: Its id.
        form: `score` or `loss`.
        x: Indicator of claim 3.

    Raises:
        InputError: as `claims`.
    """
    if claim == "claim_1":
        return _spread_ratios(df, form)
    if claim == "claim_2":
        return _pair_correlations(df, form)
    outcome, role = CLAIM_OUTCOMES[claim]
    return tasks_left_out(df, x, in_form(outcome, form), role)


def claim_ranges(claim: str, tasks: list[TaskLeftOut]) -> Ranges:
    """What leaving out one prompt or one task can make of a claim's estimate."""
    return ranges_of(tasks, np.asarray if claim == "claim_1" else np.tanh)


def _spread_ratios(df: pd.DataFrame, form: Form) -> list[TaskLeftOut]:
    result = "score_after" if form == "score" else "loss_after"
    impact = prompt_means(df, in_form("impact", form), x=None, any_role=True, rescale=False).tasks
    in_task = prompt_means(df, result, x=None, role="current", rescale=False).tasks
    found = []
    for name in sorted(impact.keys() & in_task.keys()):
        own, other = in_task[name], impact[name]
        prompts, i, j = np.intersect1d(other.prompts, own.prompts, True, return_indices=True)
        both = np.column_stack([other.y[i], own.y[j]])
        n = len(both)
        if n < MIN_PROMPTS or not all(map(differs, both.T)):
            continue
        spread, in_task_spread = both.std(axis=0, ddof=1)
        squares = np.diagonal(products_without_each(both), axis1=1, axis2=2)
        usable = (squares > 0).all(axis=1) & (n > MIN_PROMPTS)
        without = np.full(n, NAN)
        without[usable] = np.log(squares[usable, 0] / squares[usable, 1]) / 2
        errors = np.full(n, math.sqrt(1 / (n - 2)))
        value, error = math.log(spread / in_task_spread), math.sqrt(1 / (n - 1))
        found.append(TaskLeftOut(name, prompts, value, error, without, errors))
    return found


def _pair_correlations(df: pd.DataFrame, form: Form) -> list[TaskLeftOut]:
    cells = cells_of(df, in_form("impact", form), any_role=True).tasks
    found = []
    for name in sorted(cells):
        table = np.array([own for own in cells[name].y if differs(own, at_least=2)]).T
        if len(cells[name].prompts) >= MIN_PROMPTS and table.ndim == 2 and table.shape[1] > 1:
            found.append(_pairs(name, cells[name].prompts, table))
    return found


def _pairs(name: str, prompts: Names, table: Floats) -> TaskLeftOut:
    n = len(table)
    r = np.asarray(np.corrcoef(table, rowvar=False))[np.triu_indices(table.shape[1], k=1)]
    value = float(np.mean(fisher_z(r, perfect_limit(n))))
    without = fisher_z(correlations_without_each(table), perfect_limit(n - 1)).mean(axis=1)
    jackknife = math.sqrt((n - 1) / n * float(np.sum(np.square(without - np.mean(without)))))
    if n <= MIN_PROMPTS:
        without = np.full(n, NAN)
    return TaskLeftOut(name, prompts, value, jackknife, without, np.full(n, jackknife))
