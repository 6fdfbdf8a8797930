"""What else could be behind a correlation: the same with more about a prompt held fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.confounding.partial import IN_TASK, HeldFixed, with_in_task
from sapo_analysis.analysis.estimate import SCOPES, Estimate
from sapo_analysis.analysis.levels.correlation import (
    N_PERMUTATIONS,
    STATISTICS,
    Statistic,
    TaskPoints,
    check_settings,
    over_tasks,
)
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import (
    Bools,
    asked_for,
    check_columns,
    known,
    labels_of,
    of_role,
)

CONTROLS = ("prompt_length", "log_prompt_frequency")
"""Properties of a prompt's text that are held fixed together, those that a table has."""

GIVEN: tuple[tuple[str, ...], ...] = (
    CONTROLS,
    ("prompt_length",),
    ("in_task_score",),
    ("prompt_length", "in_task_score"),
    ("in_task_loss",),
)
"""What is held fixed, in this order."""

_KEYS = ("purpose", "role", "prompt_id", "trial_id", "state_seed", "seed", "eval_task", "metric")


@dataclass(frozen=True)
class Confounder:
    """A correlation with some columns held fixed, and as it is without.

    Attributes:
        given: Columns held fixed.
        descriptive: Whether one of them came out of training. It may then lie on the way from
            indicator to outcome, and holding it fixed takes away what is to be explained: the
            number describes these trials and corrects nothing.
        estimate: The partial correlation.
        raw: The correlation of the same points of the same tasks with nothing held fixed, without
            p.
    """

    given: tuple[str, ...]
    descriptive: bool
    estimate: Estimate
    raw: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "given": list(self.given),
            "descriptive": self.descriptive,
            "estimate": self.estimate.to_dict(),
            "raw": self.raw.to_dict(),
        }


@remembering()
def confounders(
    df: pd.DataFrame,
    x: str = "pre_update_loss",
    y: str = "forgetting",
    role: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    task: str = "current_task",
    eval_task: str | None = None,
) -> list[Confounder]:
    """`partial_correlation` for every set of `GIVEN` that the table has values of.

    Of the first set those columns are taken that have any; x and y are never held fixed; no set is
    taken twice. `in_task_score` and `in_task_loss` are the final results of a trial on its current
    task under its training prompt.

    Args:
        df: An impacts table; so are the others as in `partial_correlation`.
        x: Column of the indicator.
        y: Column of the outcome; its name carries the form.
        role: Role of the evaluated tasks.
        n_permutations: Shuffles for every p; 0 for none.
        seed: Seed of the shuffles.
        task: Column that names the current task.
        eval_task: Only this evaluated task.

    Returns:
        By set, then by statistic (Pearson, Spearman), then by scope (new tasks, these tasks). Empty
        where the table has values of none.

    Raises:
        InputError: as `partial_correlation`.
    """
    check_settings("pearson", n_permutations, seed)
    check_columns(df, [task, x, y])
    asked = asked_for(df, role, eval_task) & known(df, y)
    sets = _sets(df, asked & known(df, x), {x, y})
    table = _part(df, asked, [task, x, y], sorted({name for given in sets for name in given}))
    found = []
    for given in sets:
        held = HeldFixed.of(table, x, y, given, role, task, eval_task)
        for statistic in STATISTICS:
            found += compare(held, statistic, n_permutations, seed)
    return found


def compare(
    held: HeldFixed, statistic: Statistic, n_permutations: int, seed: int
) -> list[Confounder]:
    """One statistic with and without the columns held fixed, for new tasks and for these tasks.

    Args:
        held: The points.
        statistic: `pearson` or `spearman`.
        n_permutations: Shuffles for p; 0 for none.
        seed: Seed of the shuffles.
    """
    _, x, y = held.of_x.columns
    assert x is not None
    partial = held.points(statistic)
    plain = [TaskPoints(t.name, t.x, t.y, t.n_seeds, statistic) for t in partial.tasks]
    raw = replace(partial, tasks=plain)
    what, same = held.words(statistic), f"{statistic} r of the same points"
    found: list[Confounder] = []
    for scope in SCOPES:
        # The same shuffles of the same points: p of one scope is that of the other.
        m = 0 if found else n_permutations
        estimate = over_tasks(partial, x, y, scope, f"partial_{statistic}", what, m, seed)
        if found:
            estimate = replace(estimate, p=found[0].estimate.p)
        beside = over_tasks(raw, x, y, scope, statistic, same, 0, seed)
        found.append(Confounder(tuple(held.of_controls), held.descriptive, estimate, beside))
    return found


def _sets(df: pd.DataFrame, rows: Bools, taken: set[str]) -> list[tuple[str, ...]]:
    """The sets of columns that some of these rows have together."""
    names = {name for given in GIVEN for name in given} - taken
    there = {name: mask for name in names if (mask := rows & _has(df, name)).any()}
    sets = [tuple(name for name in CONTROLS if name in there), *GIVEN[1:]]
    return [
        given
        for given in dict.fromkeys(sets)
        if given
        and set(given) <= there.keys()
        and np.logical_and.reduce([there[name] for name in given]).any()
    ]


def _has(df: pd.DataFrame, name: str) -> Bools:
    """Which rows have a value of a control."""
    if name in df:
        return known(df, name)
    result = IN_TASK.get(name, "")
    if not {"trial_id", "role", result} <= set(df):
        return np.zeros(len(df), dtype=bool)
    measured = asked_for(df, None, None) & of_role(df, "current") & known(df, result)
    trial = labels_of(df, "trial_id")
    found: Bools = np.isin(trial.codes, np.unique(trial.codes[measured]))
    return found


def _part(df: pd.DataFrame, asked: Bools, columns: list[str], controls: list[str]) -> pd.DataFrame:
    """The rows asked for and those of the trials' own tasks, with what all sets need of them."""
    in_task = [IN_TASK[name] for name in controls if name in IN_TASK and name not in df]
    if in_task:
        asked = asked | (asked_for(df, None, None) & of_role(df, "current"))
    wanted = dict.fromkeys((*columns, *controls, *in_task, *_KEYS))
    return with_in_task(df.loc[asked, [name for name in wanted if name in df]], controls)
