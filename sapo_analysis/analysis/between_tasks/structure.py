"""Claim 2 taken apart: how much of it prompts make, and how much the noise of one trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.between_tasks.clusters import Clusters, clusters_of
from sapo_analysis.analysis.between_tasks.first_component import FirstComponent, first_component
from sapo_analysis.analysis.between_tasks.pair_means import MIN_PROMPTS_OF_PARTS, OtherTasks
from sapo_analysis.analysis.between_tasks.seed_shuffles import shuffled_within_seeds
from sapo_analysis.analysis.estimate import (
    CONFIDENCE,
    SCOPES,
    Estimate,
    Form,
    Scope,
    check_form,
    plain,
)
from sapo_analysis.analysis.intervals import NAN, differs, mean_interval
from sapo_analysis.analysis.levels.correlation import (
    MIN_PROMPTS,
    N_PERMUTATIONS,
    UNIT,
    check_settings,
)
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.selection import Bools, Grid, check_columns, select
from sapo_analysis.analysis.wording import signed

ONE_SEED = "one seed that all prompts share, two are needed"

TASK_COLUMNS = (
    *("current_task", "raw", "prompt", "seed", "raw_error", "prompt_error", "seed_error"),
    *("seed_alone", "n_others", "n_prompts", "n_seeds"),
)
PAIR_COLUMNS = ("task_i", "task_j", "r", "r_prompt", "r_seed", "corrected", "n_current_tasks")


@dataclass(frozen=True)
class Structure:
    """Correlation over prompts of the impacts on two other tasks: raw, of prompts, of the seed.

    Attributes:
        form: `score` or `loss`.
        raw: By scope: the mean r over pairs of other tasks, then over current tasks.
        prompt: The part of it that prompts make, with the p of the shuffles; nan with one seed.
        seed: The rest, which noise of one trial makes that its tasks share. prompt + seed = raw.
        null_lower: Below this the prompts' part falls in 2.5 % of shuffles; nan without any.
        null_upper: Above this it does.
        seed_alone: What claim 2's estimate (tanh of the mean z) would be if prompts did nothing.
        n_permutations: Shuffles that p and bounds are of.
        tasks: By current task: `current_task`, `raw`, `prompt`, `seed` and their jackknife errors
            `raw_error`, `prompt_error`, `seed_error`; `seed_alone` (r), `n_others`,
            `n_prompts`, `n_seeds`.
        pairs: By pair of other tasks, mean over the current tasks in which both are that:
            `task_i`, `task_j` (i before j), `r`, `r_prompt`, `r_seed`, `corrected` (what r would be
            without noise, held at ±1; nan where prompts move a task no more than seeds do),
            `n_current_tasks`. r is nan where none of these has both.
        clusters: Of other tasks, by the pairs' r.
        first_component: How much of the impacts is one thing that moves all other tasks.
        excluded: Current tasks left out, and why.
    """

    form: Form
    raw: dict[Scope, Estimate]
    prompt: dict[Scope, Estimate]
    seed: dict[Scope, Estimate]
    null_lower: float
    null_upper: float
    seed_alone: float
    n_permutations: int
    tasks: pd.DataFrame
    pairs: pd.DataFrame
    clusters: Clusters
    first_component: FirstComponent
    excluded: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that does not exist is None."""
        parts = {"raw": self.raw, "prompt": self.prompt, "seed": self.seed}
        return {
            "form": self.form,
            **{
                name: {scope: own.to_dict() for scope, own in by_scope.items()}
                for name, by_scope in parts.items()
            },
            "null_lower": plain(self.null_lower),
            "null_upper": plain(self.null_upper),
            "seed_alone": plain(self.seed_alone),
            "n_permutations": self.n_permutations,
            "tasks": plain(self.tasks.to_dict("records")),
            "pairs": plain(self.pairs.to_dict("records")),
            "clusters": self.clusters.to_dict(),
            "first_component": plain(asdict(self.first_component)),
            "excluded": dict(self.excluded),
        }


def cross_task_structure(
    df: pd.DataFrame,
    form: Form = "score",
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Structure:
    """Claim 2's correlations of impacts, and the part of each that prompts make.

    Per current task, over prompts: r of the seed-averaged impacts on every pair of other tasks, as
    claim 2 has it (all roles but current; tasks that move under one prompt alone left out). A
    fine-tune that went badly moves all tasks at once, so noise alone makes r. Covariances of
    impacts at *different* seeds cannot hold that noise (`across_seeds`): divided by the same sds
    they are the prompts' part, and the rest of r is the seed's, which `OtherTasks.seed` corrects
    for few prompts.

    All means are plain ones, not of Fisher's z, so that the parts add up to the whole; `raw` is
    therefore not quite claim 2's estimate. Intervals: `mean_interval`, with delete-one-prompt
    jackknife errors for these tasks. Where some current tasks have two seeds, those with one are
    left out of everything; where none has, the parts are nan and `raw` is there.

    Null: prompts shuffled anew at each seed, trials kept whole (`shuffled_within_seeds`). p is of
    the covariance at different seeds ÷ its error, two-sided, equal tails; `null_lower` and
    `null_upper` are that statistic's quantiles times the prompts' part's jackknife error. p is of
    these tasks, whatever the scope. Where a task has four prompts the parts have no error, so no
    interval for these tasks and no null bounds.

    Args:
        df: An impacts table with all roles.
        form: `score` or `loss`.
        n_permutations: Shuffles wanted; 0 for none (p, bounds and expected share are nan). Of a
            large table fewer are made, but at least 999; of the first component at most 199.
        seed: Seed of the shuffles.

    Raises:
        InputError: a column is missing, the form is unknown, a value is infinite, or a row is
            there twice.
    """
    check_form(form)
    check_settings("pearson", n_permutations, seed)
    check_columns(df, ["current_task", in_form("impact", form)])
    check_columns(df, ["prompt_id"])
    check_columns(df, ["eval_task"])
    tasks, excluded = _usable(df, in_form("impact", form))
    null = shuffled_within_seeds(tasks, n_permutations, seed)

    def estimates(part: str) -> dict[Scope, Estimate]:
        return {s: _estimate(tasks, part, form, s, excluded, null.p, seed) for s in SCOPES}

    pairs, clusters = _pairs(tasks)
    alone = [task.seed_alone for task in tasks if not math.isnan(task.seed_alone)]
    error = math.hypot(*(task.errors.prompt for task in tasks)) / len(tasks) if tasks else NAN
    if error < 1e-12:
        # Prompts that all say the same have no error, but for rounding, and no bounds on its scale.
        error = NAN
    return Structure(
        form=form,
        raw=estimates("raw"),
        prompt=estimates("prompt"),
        seed=estimates("seed"),
        null_lower=null.lower * error,
        null_upper=null.upper * error,
        seed_alone=float(np.tanh(np.mean(alone))) if alone else NAN,
        n_permutations=null.n_permutations,
        tasks=pd.DataFrame([_row(task) for task in tasks], columns=list(TASK_COLUMNS)),
        pairs=pairs,
        clusters=clusters,
        first_component=first_component(tasks, n_permutations, seed),
        excluded=excluded,
    )


def not_of_prompts(structure: Structure, scope: Scope, sign: int) -> str:
    """Why r on one side of 0 cannot be said to be the prompts' doing; empty where it can.

    It can where the interval of the part that prompts make lies wholly on that side too.

    Args:
        structure: Of the form that r is in.
        scope: Which interval.
        sign: +1 for r above 0, -1 for r below.
    """
    part = structure.prompt[scope]
    if math.isnan(part.value):
        return "how much of r prompts make cannot be told without two seeds that prompts share"
    if min(sign * part.lower, sign * part.upper) > 0:
        return ""
    return (
        f"the part of r that prompts make is {_with_interval(part)}; the seed alone would give"
        f" {signed(structure.seed_alone)}, as tasks of one trial share its noise"
    )


def _with_interval(estimate: Estimate) -> str:
    if math.isnan(estimate.lower):
        return f"{signed(estimate.value)}, without an interval"
    bounds = f"{signed(estimate.lower)} to {signed(estimate.upper)}"
    return f"{signed(estimate.value)}, interval {bounds}"


def _usable(df: pd.DataFrame, y: str) -> tuple[list[OtherTasks], dict[str, str]]:
    found: list[OtherTasks] = []
    excluded: dict[str, str] = {}
    for name, grid in select(df, y, any_role=True).by_task():
        task = _other_tasks(name, grid)
        if isinstance(task, str):
            excluded[name] = task
        else:
            found.append(task)
    if any(task.n_seeds > 1 for task in found):
        excluded |= {task.current: ONE_SEED for task in found if task.n_seeds == 1}
        found = [task for task in found if task.n_seeds > 1]
    return found, excluded


def _other_tasks(name: str, grid: Grid) -> OtherTasks | str:
    """One current task, or why it is left out, in the words of claim 2."""
    known: Bools = np.logical_and.reduce(~np.isnan(grid.y), axis=0)
    used: Bools = np.logical_or.reduce(known, axis=1)
    shared: Bools = np.logical_and.reduce(known[used], axis=0)
    if not used.any() or not shared.any():
        return "no seed and evaluated task that all prompts share"
    values = np.ascontiguousarray(np.moveaxis(grid.y[:, used][:, :, shared], 2, 0))
    n = values.shape[1]
    if n < MIN_PROMPTS:
        return f"{n} prompts, at least {MIN_PROMPTS} are needed"
    moved = np.array([differs(own, at_least=2) for own in values.mean(axis=2)])
    if moved.sum() < 2:
        return "fewer than two other tasks differ in more than one prompt"
    return OtherTasks(name, grid.eval_tasks[shared][moved], values[moved])


def _row(task: OtherTasks) -> dict[str, Any]:
    return {
        "current_task": task.current,
        **task.means._asdict(),
        **{f"{name}_error": error for name, error in task.errors._asdict().items()},
        "seed_alone": math.tanh(task.seed_alone),
        "n_others": len(task.names),
        "n_prompts": task.n_prompts,
        "n_seeds": task.n_seeds,
    }


def _estimate(
    tasks: Sequence[OtherTasks],
    name: str,
    form: Form,
    scope: Scope,
    excluded: dict[str, str],
    p: float,
    seed: int,
) -> Estimate:
    what = {
        "raw": "r of impacts on two other tasks, seed-averaged",
        "prompt": "part of r that prompts make (covariance at different seeds)",
        "seed": "part of r that noise of one trial makes (r less the prompts' part)",
    }[name]
    values = np.array([getattr(task.means, name) for task in tasks])
    errors = np.array([getattr(task.errors, name) for task in tasks])
    one_seed = bool(np.isnan(values).any())
    mean, lower, upper = mean_interval(values, errors, scope)
    how = (
        f"Student t over {len(tasks)} tasks"
        if scope == "new_tasks"
        else "normal, delete-one-prompt jackknife errors per task"
    )
    if scope == "these_tasks" and np.isnan(errors).any():
        how += f" (none with fewer than {MIN_PROMPTS_OF_PARTS} prompts)"
    method = f"{what}: plain mean over pairs per task, over which parts add, mean over tasks, {how}"
    if one_seed:
        method = f"{what}: cannot be told; {ONE_SEED}"
    elif name == "prompt" and not math.isnan(p):
        method += "; p: prompts shuffled at each seed, trials kept whole, mean ÷ error, equal tails"
    listed = "; ".join(f"{task}: {reason}" for task, reason in sorted(excluded.items()))
    impact = in_form("impact", form)
    return Estimate(
        x=impact,
        y=impact,
        role=None,
        task=None,
        value=mean,
        lower=lower,
        upper=upper,
        confidence=CONFIDENCE,
        level="within_task",
        scope=scope,
        statistic="pearson",
        p=p if name == "prompt" else NAN,
        n_prompts=min((task.n_prompts for task in tasks), default=0),
        n_tasks=0 if one_seed else len(tasks),
        n_seeds=min((task.n_seeds for task in tasks), default=0),
        method=method + (f". Left out: {listed}" if listed else ""),
        seed=seed,
        unit=UNIT,
    )


def _pairs(tasks: Sequence[OtherTasks]) -> tuple[pd.DataFrame, Clusters]:
    """The table of pairs, and its clusters."""
    names = np.unique(np.concatenate([np.array([], dtype=object), *(t.names for t in tasks)]))
    # Sums over current tasks: r, its prompts' part, the rest, reliability of i beside j, and count.
    sums = np.zeros((5, len(names), len(names)))
    for task in tasks:
        place = np.searchsorted(names, task.names)
        reliability = np.tile(np.diag(task.prompt)[:, np.newaxis], len(place))
        own = np.stack([task.raw, task.prompt, task.seed, reliability, np.ones_like(task.raw)])
        sums[:, place[:, np.newaxis], place] += own
    counts = sums[4]
    with np.errstate(invalid="ignore"):
        r, prompt, seed, reliability = np.where(counts, sums[:4] / counts, NAN)
        known = np.sqrt(np.where(reliability > 0, reliability, NAN))
        corrected = np.clip(prompt / (known * known.T), -1, 1)
    i, j = np.triu_indices(len(names), k=1)
    columns = (names[i], names[j], *(own[i, j] for own in (r, prompt, seed, corrected, counts)))
    table = pd.DataFrame(dict(zip(PAIR_COLUMNS, columns, strict=True)))
    return table.astype({"n_current_tasks": int}), clusters_of(names, r)
