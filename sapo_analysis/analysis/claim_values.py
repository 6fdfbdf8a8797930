"""Each claim's statistic per current task, whole and with each prompt left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

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
from sapo_analysis.analysis.prompt_means import (
    PromptMeans,
    TaskMeans,
    cells_of,
    prompt_means,
)
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.selection import Names

CLAIM_OUTCOMES = {
    "claim_3_forgetting_past": ("forgetting", "past"),
    "claim_3_forgetting_retained": ("forgetting", "retained"),
    "claim_3_generalization": ("generalization", "unseen"),
}
"""What claim 3 correlates with pre-update loss, as (quantity in score form, role)."""


@dataclass(frozen=True)
class ClaimValues:
    """The usable current tasks of claim 1 or 2, in order of name.

    Attributes:
        tasks: Their values, on the scale of the claim's interval.
        n_seeds: Seeds averaged per prompt; the smallest number where tasks differ.
        excluded: Current tasks left out, and why.
    """

    tasks: list[TaskLeftOut]
    n_seeds: int
    excluded: dict[str, str]

    @property
    def values(self) -> Floats:
        """One per task."""
        return np.array([task.value for task in self.tasks])

    @property
    def errors(self) -> Floats:
        """Their standard errors over prompts."""
        return np.array([task.error for task in self.tasks])

    @property
    def n_prompts(self) -> int:
        """Prompts per task; the smallest number where tasks differ."""
        return min((len(task.prompts) for task in self.tasks), default=0)


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
        return spread_ratios(df, form).tasks
    if claim == "claim_2":
        return mean_pair_correlations(df, form).tasks
    outcome, role = CLAIM_OUTCOMES[claim]
    return tasks_left_out(df, x, in_form(outcome, form), role)


def claim_ranges(claim: str, tasks: list[TaskLeftOut]) -> Ranges:
    """What leaving out one prompt or one task can make of a claim's estimate."""
    return ranges_of(tasks, np.asarray if claim == "claim_1" else np.tanh)


def spread_ratios(df: pd.DataFrame, form: Form) -> ClaimValues:
    """Claim 1's statistic: log(sd over prompts of mean impact ÷ sd of the in-task result)."""
    impact, in_task = claim_1_means(df, form)

    def statistic(name: str) -> TaskLeftOut | str:
        prompts, both = of_shared_prompts(impact.tasks[name], in_task.tasks[name])
        n = len(both)
        if n < MIN_PROMPTS:
            return _few(n)
        if not differs(both[:, 1]):
            return f"the in-task result ({form}) is the same for every prompt"
        if not differs(both[:, 0]):
            return f"the mean impact ({form}) is the same for every prompt"
        spread, in_task_spread = both.std(axis=0, ddof=1)
        squares = np.diagonal(products_without_each(both), axis1=1, axis2=2)
        usable = (squares > 0).all(axis=1) & (n > MIN_PROMPTS)
        without = np.full(n, NAN)
        without[usable] = np.log(squares[usable, 0] / squares[usable, 1]) / 2
        value, error = math.log(spread / in_task_spread), math.sqrt(1 / (n - 1))
        return TaskLeftOut(name, prompts, value, error, without, np.full(n, (n - 2) ** -0.5))

    names = sorted(impact.tasks.keys() & in_task.tasks.keys())
    all_means = (*impact.tasks.values(), *in_task.tasks.values())
    n_seeds = min(means.n_seeds for means in all_means) if names else 0
    return _collect(names, statistic, n_seeds, {**impact.excluded, **in_task.excluded})


def claim_1_means(df: pd.DataFrame, form: Form) -> tuple[PromptMeans, PromptMeans]:
    """What claim 1 compares, a mean per prompt: the impact on other tasks, the in-task result."""
    result = "score_after" if form == "score" else "loss_after"
    return (
        prompt_means(df, in_form("impact", form), x=None, any_role=True, rescale=False),
        prompt_means(df, result, x=None, role="current", rescale=False),
    )


def of_shared_prompts(impact: TaskMeans, in_task: TaskMeans) -> tuple[Names, Floats]:
    """The prompts of one task that have both, and prompts x (impact, in-task result)."""
    prompts, i, j = np.intersect1d(impact.prompts, in_task.prompts, True, return_indices=True)
    return prompts, np.column_stack([impact.y[i], in_task.y[j]])


def mean_pair_correlations(df: pd.DataFrame, form: Form) -> ClaimValues:
    """Claim 2's statistic: mean Fisher z of r(impact_i, impact_j) over pairs of other tasks.

    A task that moves under one prompt alone is left out: two such tasks have r = ±1 by that prompt.
    """
    cells = cells_of(df, in_form("impact", form), any_role=True)

    def statistic(name: str) -> TaskLeftOut | str:
        cell = cells.tasks[name]
        n = len(cell.prompts)
        if n < MIN_PROMPTS:
            return _few(n)
        table = cell.y[[differs(own, at_least=2) for own in cell.y]].T
        if table.shape[1] < 2:
            return "fewer than two other tasks differ in more than one prompt"
        # Each column differs in two prompts, so it still differs with one left out.
        pairs = np.asarray(np.corrcoef(table, rowvar=False))[np.triu_indices(table.shape[1], k=1)]
        value = float(np.mean(fisher_z(pairs, perfect_limit(n))))
        without = fisher_z(correlations_without_each(table), perfect_limit(n - 1)).mean(axis=1)
        jackknife = math.sqrt((n - 1) / n * float(np.sum(np.square(without - np.mean(without)))))
        if n <= MIN_PROMPTS:
            without = np.full(n, NAN)
        return TaskLeftOut(name, cell.prompts, value, jackknife, without, np.full(n, jackknife))

    n_seeds = min((cell.n_seeds for cell in cells.tasks.values()), default=0)
    return _collect(sorted(cells.tasks), statistic, n_seeds, cells.excluded)


def _few(n: int) -> str:
    return f"{n} prompts, at least {MIN_PROMPTS} are needed"


def _collect(
    names: Iterable[str],
    statistic: Callable[[str], TaskLeftOut | str],
    n_seeds: int,
    excluded: dict[str, str],
) -> ClaimValues:
    tasks, reasons = [], dict(excluded)
    for name in names:
        found = statistic(name)
        if isinstance(found, str):
            reasons[name] = found
        else:
            tasks.append(found)
    return ClaimValues(tasks, n_seeds, reasons)
