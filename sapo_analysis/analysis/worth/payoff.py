"""Does the rule pay? Picking by lowest pre-update loss against other ways of picking a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import FORMS, plain
from sapo_analysis.analysis.joining import as_runs
from sapo_analysis.analysis.prompt_means import over_eval_tasks, prompt_means
from sapo_analysis.analysis.quantities import QUANTITIES, in_form
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.selection import Grid, select
from sapo_analysis.analysis.worth.picks import TaskPicks, picks_of
from sapo_analysis.analysis.worth.tables import Measure, Tables
from sapo_analysis.errors import InputError, unknown
from sapo_analysis.store import Run


@dataclass(frozen=True)
class SelectionValue:
    """What picking by lowest x is worth, in the outcome's unit.

    `lower` and `upper` are 95 % for new tasks: Student t over the per-task values, nan where these
    are one or all the same. `these_lower` and `these_upper` are 95 % for these tasks: over seeds,
    the variance within task pooled, Student t with Σ(seeds - 1) degrees of freedom; nan with one
    seed. They take the seeds of different tasks as independent.

    Attributes:
        y: Column of the outcome.
        role: Role of the evaluated tasks; None where the table has none.
        x: Column of the indicator.
        task: Column that names the current task.
        eval_task: The one evaluated task; None for all of the role.
        unit: Unit of every value and gain.
        good_when: `low` or `high`: which outcome is good.
        rules: One row per rule: `rule`, `value` (mean over tasks), `lower`, `upper`, `n_tasks`,
            `n_prompts`, `n_seeds` (the smallest where tasks differ), `unit`, `note` (why there is
            no value, or not for all tasks; empty otherwise).
        contrasts: The lowest-loss pick against each other rule: `against`, `gain` (positive: the
            rule is better), `lower`, `upper`, `these_lower`, `these_upper`, `tasks_better` (with
            gain > 0), `n_tasks`, `n_prompts`, `n_seeds`, `unit`, `note`.
        regret: What the rule loses against the hindsight best (positive: worse).
        hit_rate: How often its pick is the hindsight best; `at_random` is 1 ÷ prompts without
            ties. The interval is Clopper and Pearson's as if each task were one yes or no, which is
            too wide rather than too narrow.
        rank: Share of the other prompts that did better than the pick at the pick's own seed, 0
            best, 1 worst; `at_random` is 0.5.
        by_task: One row per current task: its name, a column per rule, `gain` (over random),
            `regret`, `hit_rate`, `chance`, `rank`, `n_prompts`, `n_seeds`, `n_eval_tasks`, `unit`.
        curve: Picking from random pools of the prompts: `rule`, `pool_size` (1 to the smallest
            number of prompts of a task), `value`, `lower`, `upper`, `gain` (over random),
            `gain_lower`, `gain_upper`, `regret` (what is lost against the hindsight best of the
            same pool), `regret_lower`, `regret_upper`, `n_tasks`, `unit`.
        excluded: Current tasks left out, and why.
        method: How it was made, and what was left out.
    """

    y: str
    role: str | None
    x: str
    task: str
    eval_task: str | None
    unit: str
    good_when: str
    rules: pd.DataFrame
    contrasts: pd.DataFrame
    regret: Measure
    hit_rate: Measure
    rank: Measure
    by_task: pd.DataFrame
    curve: pd.DataFrame
    excluded: dict[str, str]
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: tables as lists of rows, a number that does not exist is None."""
        found = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, pd.DataFrame):
                value = value.to_dict("records")
            found[name] = plain(asdict(value) if isinstance(value, Measure) else value)
        return found


def selection_value(
    df: pd.DataFrame,
    y: str = "forgetting",
    role: str | None = None,
    x: str = "pre_update_loss",
    original: Mapping[str, str] | None = None,
    task: str = "current_task",
    eval_task: str | None = None,
) -> SelectionValue:
    """What picking prompts by lowest x would have come to, from trials that are there.

    Per current task and seed, with x as it was known before training at that seed and y averaged
    over evaluated tasks as `prompts_table` does, over the prompts and seeds that it takes:

    - `lowest_loss`: y of the prompt with the lowest x at that seed.
    - `random`: mean of y over the prompts, which is what a random pick comes to.
    - `original`: y of the task's original prompt.
    - `hindsight_best`: the prompt with the best mean of y over the *other* seeds, valued at this
      one. nan with one seed.
    - `highest_loss`: y of the prompt with the highest x: the rule turned round, as a control.

    All are of the same trials, so differences are paired. The pool holds every prompt that was
    trained, the original one among them, but none that diverged: a rule that picks such prompts
    looks better here than it is. Ties are averaged.

    Folds that leave out one seed each share all others, so their gains over the hindsight best are
    correlated; their variance over seeds gets Nadeau and Bengio's factor, 1/S + 1/(S - 1) in place
    of 1/S (2003, Machine Learning 52:239). Simulated with 2 to 8 seeds, intervals for these tasks
    covered 94 to 99 %, without it 83 to 96 %; where the two picks nearly always agree all cover
    less.

    Args:
        df: An impacts table, or any table with the columns named; see `prompts_table`.
        y: Outcome: a quantity in score or loss form, whose good direction is known.
        role: Role of the evaluated tasks; needed when y has values for several.
        x: Column of the indicator; the lowest is picked.
        original: Current task → its original prompt's id, as `original_prompts` gives it; without
            it that rule is not known.
        task: Column that names the current task.
        eval_task: Only this evaluated task.

    Raises:
        InputError: y is no quantity with a good direction, `original` is no mapping, or as
            `prompts_table`.
    """
    good_when = _good_when(y)
    if original is not None and not isinstance(original, Mapping):
        raise InputError(
            "original= takes a mapping of current task to prompt id, got"
            f" {type(original).__name__}. `run.original_prompts()` makes one."
        )
    with remembering():
        means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
        # Word for word what the means were made of, so that the table is read once.
        rows = select(df, y, role=role, x=x, eval_task=eval_task, task=task, any_role=False)
    excluded, tasks = dict(means.excluded), {}
    known = None if original is None else {str(k): str(v) for k, v in original.items()}
    for name, grid in rows.by_task():
        if name not in means.tasks:
            continue
        if len(grid.prompts) < 2:
            excluded[name] = "one prompt: nothing to pick from"
            continue
        tasks[name] = _picks(grid, means.tasks[name].weights, good_when, (known or {}).get(name))
    table = Tables(tasks, means, good_when, known is not None)
    listed = "; ".join(f"{name}: {reason}" for name, reason in sorted(excluded.items()))
    return SelectionValue(
        y=y,
        role=means.role,
        x=x,
        task=task,
        eval_task=eval_task,
        unit=means.unit,
        good_when=good_when,
        rules=table.rules(),
        contrasts=table.contrasts(),
        regret=table.regret(),
        hit_rate=table.hit_rate(),
        rank=table.rank(),
        by_task=table.by_task(task),
        curve=table.curve(),
        excluded=excluded,
        method=f"picks per task and seed, mean over seeds, then over {len(tasks)} tasks;"
        " new tasks: Student t over tasks; these tasks: Student t over seeds, variance pooled"
        + (f". Left out: {listed}" if listed else "")
        + means.incomplete,
    )


def original_prompts(runs: Run | Sequence[Run]) -> dict[str, str]:
    """Each task's original prompt: task → prompt id.

    Args:
        runs: One run, or several.

    Raises:
        InputError: two prompts of a task are called its original one.
    """
    found: dict[str, str] = {}
    for run in as_runs(runs):
        prompts = run.table("prompts")
        own = prompts[prompts["source"] == "original"]
        for task, prompt_id in zip(own["task"], own["prompt_id"], strict=True):
            first = found.setdefault(str(task), str(prompt_id))
            if first != prompt_id:
                raise InputError(
                    f"Task {task!r} has two original prompts, {first!r} and {prompt_id!r}."
                    " Give these runs one at a time."
                )
    return found


def _good_when(y: str) -> str:
    known = {in_form(q.name, form): q.good_when for q in QUANTITIES for form in FORMS}
    if y not in known:
        raise unknown(
            "outcome", y, list(known), "What a pick is worth needs an outcome that has a good side."
        )
    return known[y]


def _picks(
    grid: Grid, weights: dict[str, float], good_when: str, original: str | None
) -> TaskPicks:
    """The picks of one task over the seeds that all its prompts share."""
    y = over_eval_tasks(grid, grid.y, weights)
    x = over_eval_tasks(grid, grid.x, dict.fromkeys(weights, 1.0))
    shared = ~np.isnan(y).any(axis=0)
    place = np.flatnonzero(grid.prompts == original)
    return picks_of(
        x[:, shared], y[:, shared], good_when == "low", int(place[0]) if len(place) else None
    )
