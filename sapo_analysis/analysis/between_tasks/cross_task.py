"""Are prompts that are good for one other task good for the others? Correlation of impacts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.estimate import Z_95, Form, check_form
from sapo_analysis.analysis.intervals import NAN, Floats, differs, fisher_z, perfect_limit
from sapo_analysis.analysis.levels.correlation import MIN_PROMPTS
from sapo_analysis.analysis.noise.variance import Component, same_prompt, two_way
from sapo_analysis.analysis.prompt_means import TaskCells, cells_of
from sapo_analysis.analysis.quantiles import fisher_f
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.selection import select
from sapo_analysis.errors import InputError, unknown

COLUMNS = ["task_i", "task_j", "r", "lower", "upper", "n_prompts", "n_current_tasks", "below_noise"]

PAIR_COLUMNS = ["current_task", "prompt_id", "impact_i", "impact_j", "n_seeds"]


@dataclass(frozen=True)
class _Pair:
    z: float
    n: int
    below_noise: bool | None


def impact_correlation(
    df: pd.DataFrame, current_task: str | None = None, form: Form = "score"
) -> pd.DataFrame:
    """R over prompts of the impacts on two other tasks, for every pair; tidy, ready for a heat map.

    Main trials, seed-averaged. With `current_task` None: tanh of the mean Fisher z over the current
    tasks in which both were evaluated and neither is current. Interval (of these tasks): ± 1.96 ·
    √(Σ 1/(n - 3)) / k on z.

    `below_noise`: in more than half of those current tasks the spread over prompts of one of the
    two impacts is not larger than seed noise (F test at 5 %: variance over prompts against σ²/seeds
    with σ from the noise trials, as in `noise_band`). Null where there are no noise trials.

    Args:
        df: An impacts table.
        current_task: One current task, or None for all.
        form: `score` or `loss`.

    Returns:
        Columns task_i, task_j, r, lower, upper, n_prompts (the smallest), n_current_tasks,
        below_noise. Both orders of a pair are there, the diagonal is not. r is nan where an impact
        differs in fewer than two prompts.

    Raises:
        InputError: the form or the current task is unknown.
    """
    check_form(form)
    if current_task is not None:
        if current_task not in set(df["current_task"]):
            raise unknown("current task", current_task, sorted(df["current_task"].unique()))
        df = df[df["current_task"] == current_task]
    pairs = _pairs(df, in_form("impact", form))
    rows = []
    for (i, j), found in sorted(pairs.items()):
        usable = [pair for pair in found if not np.isnan(pair.z)]
        k = len(usable)
        z = float(np.mean([pair.z for pair in usable])) if usable else NAN
        half = (
            Z_95 * float(np.sqrt(sum(1 / (pair.n - 3) for pair in usable))) / k if usable else NAN
        )
        r, lower, upper = (float(np.tanh(bound)) for bound in (z, z - half, z + half))
        flags = [pair.below_noise for pair in found if pair.below_noise is not None]
        below = 2 * sum(flags) > len(flags) if flags else None
        for a, b in ((i, j), (j, i)):
            rows.append((a, b, r, lower, upper, min(pair.n for pair in found), k, below))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"below_noise": "boolean"})
    return table.sort_values(["task_i", "task_j"], ignore_index=True)


def impact_pairs(
    df: pd.DataFrame,
    task_i: str,
    task_j: str,
    current_task: str | None = None,
    form: Form = "score",
) -> pd.DataFrame:
    """The points behind one pair of `impact_correlation`: a row per prompt of each current task.

    Args:
        df: An impacts table.
        task_i: One other task.
        task_j: Another one.
        current_task: One current task, or None for all in which both were evaluated.
        form: `score` or `loss`.

    Returns:
        `current_task`, `prompt_id`, `impact_i`, `impact_j` (seed-averaged; points, or nats per
        target token), `n_seeds`.

    Raises:
        InputError: the form or a task is unknown, or the two are one.
    """
    check_form(form)
    others = sorted(df.loc[df["role"] != "current", "eval_task"].unique())
    for name in (task_i, task_j):
        if name not in others:
            raise unknown("other task", name, others)
    if task_i == task_j:
        raise InputError(f"Task {task_i!r} was given twice. Name two other tasks.")
    if current_task is not None:
        if current_task not in set(df["current_task"]):
            raise unknown("current task", current_task, sorted(df["current_task"].unique()))
        df = df[df["current_task"] == current_task]
    df = df[df["eval_task"].isin([task_i, task_j])]
    parts = [
        pd.DataFrame(
            {
                "current_task": current,
                "prompt_id": cell.prompts,
                "impact_i": cell.y[list(cell.eval_tasks).index(task_i)],
                "impact_j": cell.y[list(cell.eval_tasks).index(task_j)],
                "n_seeds": cell.n_seeds,
            }
        )
        for current, cell in cells_of(df, in_form("impact", form), any_role=True).tasks.items()
        if {task_i, task_j} <= set(cell.eval_tasks)
    ]
    if not parts:
        return pd.DataFrame(columns=PAIR_COLUMNS)
    return pd.concat(parts, ignore_index=True)


def _pairs(df: pd.DataFrame, impact: str) -> dict[tuple[str, str], list[_Pair]]:
    pairs: dict[tuple[str, str], list[_Pair]] = {}
    noise = _noise(df, impact)
    for current, cell in cells_of(df, impact, any_role=True).tasks.items():
        n = len(cell.prompts)
        spread = _variance(cell.y)
        below = [
            _below(variance, n, noise.get((current, name)), cell.n_seeds)
            for name, variance in zip(cell.eval_tasks, spread, strict=True)
        ]
        z = _pair_z(cell)
        for i, j in itertools.combinations(range(len(cell.eval_tasks)), 2):
            flags = [flag for flag in (below[i], below[j]) if flag is not None]
            pair = str(cell.eval_tasks[i]), str(cell.eval_tasks[j])
            pairs.setdefault(pair, []).append(
                _Pair(float(z[i, j]), n, any(flags) if flags else None)
            )
    return pairs


def _variance(y: Floats) -> Floats:
    """Of each row; nan where there is but one value."""
    return y.var(axis=1, ddof=1) if y.shape[1] > 1 else np.full(len(y), NAN)


def _pair_z(cell: TaskCells) -> Floats:
    """Fisher's z of every pair of evaluated tasks; nan where one differs in too few prompts."""
    n = len(cell.prompts)
    found = np.full((len(cell.y), len(cell.y)), NAN)
    if n < MIN_PROMPTS:
        return found
    # One prompt that moves both tasks alone would make r = ±1.
    usable = np.flatnonzero([differs(values, at_least=2) for values in cell.y])
    if len(usable) > 1:
        found[np.ix_(usable, usable)] = fisher_z(np.corrcoef(cell.y[usable]), perfect_limit(n))
    return found


def _noise(df: pd.DataFrame, impact: str) -> dict[tuple[str, str], Component]:
    """Seed noise of one trial's impact per (current task, other task)."""
    found: dict[tuple[str, str], Component] = {}
    if "purpose" not in df or not (df["purpose"] == "noise").any():
        return found
    for current, grid in select(df, impact, any_role=True, purpose="noise").by_task():
        for i, other in enumerate(grid.eval_tasks):
            cells = pd.DataFrame(grid.y[:, :, i])
            component = two_way(cells) or same_prompt(cells)
            if component is not None:
                found[current, str(other)] = component
    return found


def _below(variance: float, n: int, noise: Component | None, n_seeds: int) -> bool | None:
    if noise is None or n < 2:
        return None
    if noise.sigma == 0:
        return not variance > 0
    return not variance / (noise.sigma**2 / n_seeds) > fisher_f(0.95, n - 1, noise.df)
