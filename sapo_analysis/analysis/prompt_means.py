"""From trials to points: one per (current task, prompt), averaged over tasks and shared seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.quantities import SCORE_UNIT, unit_of
from sapo_analysis.analysis.remembering import remembered
from sapo_analysis.analysis.selection import Bools, Grid, Names, asked_for, select

SD_UNIT = "standard deviations over prompts"


@dataclass(frozen=True)
class TaskCells:
    """Seed-averaged values of one current task.

    `y` is evaluated tasks x prompts, `x` one value per prompt; both are means over the `n_seeds`
    seeds that all prompts share. Tasks and prompts are in order of name.
    """

    prompts: Names
    eval_tasks: Names
    x: Floats
    y: Floats
    n_seeds: int


@dataclass(frozen=True)
class Cells:
    """The cells of every usable current task, and why the others were left out."""

    tasks: dict[str, TaskCells]
    excluded: dict[str, str]
    mixed_metrics: bool
    role: str | None


@dataclass(frozen=True)
class TaskMeans:
    """The points of one current task: x and y by prompt, in order of name.

    `weights` has the factor of each evaluated task's value, whose mean y is.
    """

    prompts: Names
    x: Floats
    y: Floats
    n_seeds: int
    weights: dict[str, float]


@dataclass(frozen=True)
class PromptMeans:
    """The points of every usable current task, and what is not among them.

    Attributes:
        tasks: The points by current task, in order of name.
        columns: What the table calls the current task, x and y; x None where none was asked for.
        unit: Unit of y.
        excluded: Current tasks left out, and why.
        role: Role of the evaluated tasks; None where there are several or none.
        incomplete: Prompts left out for lack of a value of x, as `without_value` words it.
    """

    tasks: dict[str, TaskMeans]
    columns: tuple[str, str | None, str]
    unit: str
    excluded: dict[str, str]
    role: str | None
    incomplete: str = ""

    @property
    def weights(self) -> dict[str, pd.Series[float]]:
        """The factor of each evaluated task's value, by current task."""
        return {name: pd.Series(own.weights) for name, own in self.tasks.items()}

    @cached_property
    def table(self) -> pd.DataFrame:
        """The points as `prompts_table`."""
        task, x, y = self.columns
        names = list(dict.fromkeys((task, "prompt_id", *([x] if x else []), y, *_ABOUT)))
        if not self.tasks:
            return pd.DataFrame(columns=names)
        means = self.tasks.values()
        n = [len(own.prompts) for own in means]
        columns = {
            task: np.repeat(np.array(list(self.tasks), dtype=object), n),
            "prompt_id": np.concatenate([own.prompts for own in means]),
            **({x: np.concatenate([own.x for own in means])} if x else {}),
            y: np.concatenate([own.y for own in means]),
            "n_seeds": np.repeat([own.n_seeds for own in means], n),
            "n_eval_tasks": np.repeat([len(own.weights) for own in means], n),
            "unit": self.unit,
        }
        return pd.DataFrame(columns)[names]


_ABOUT = ("n_seeds", "n_eval_tasks", "unit")


def prompts_table(
    df: pd.DataFrame,
    y: str,
    role: str | None = None,
    x: str = "pre_update_loss",
    eval_task: str | None = None,
    task: str = "current_task",
) -> pd.DataFrame:
    """One row per (current task, prompt): the points of every scatter and of every correlation.

    Main trials only. `y` is the unweighted mean over the evaluated tasks of one role, then over the
    seeds that all prompts of the current task share; `x` the mean over the same seeds. Score-form
    values of tasks with different metrics are divided by their standard deviation over prompts
    first; an evaluated task without spread is then left out.

    Args:
        df: An impacts table, or any table with the columns named; `role`, `eval_task`, `purpose`,
            `state_seed`, `seed` and `prompt_id` may be absent (every row is then its own prompt).
        y: Column to average.
        role: Role of the evaluated tasks; may be left out where only one role has values of `y`.
        x: Column of the indicator.
        eval_task: Only this evaluated task.
        task: Column that names the current task.

    Returns:
        `task` column, `prompt_id`, `x`, `y`, `n_seeds`, `n_eval_tasks` and `unit` (of y).

    Raises:
        InputError: a column, role or task is unknown, several roles have values of `y` and none was
            chosen, a value is infinite, or a prompt has two rows for one seed and evaluated task.
    """
    return prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task).table


def seeds_table(
    df: pd.DataFrame,
    y: str,
    role: str | None = None,
    x: str = "pre_update_loss",
    eval_task: str | None = None,
    task: str = "current_task",
) -> pd.DataFrame:
    """`prompts_table` before the mean over seeds: one row per (current task, prompt, shared seed).

    A seed whose value some prompt lacks is left out, as it is there. For looking at: no
    correlation is taken over these rows, as seeds of one prompt are no new prompts.

    Args:
        df: As there.
        y: As there.
        role: As there.
        x: As there.
        eval_task: As there.
        task: As there.

    Returns:
        `task` column, `prompt_id`, `seed` (state seed and seed, as text), `x`, `y`, `n_seeds`
        (always 1), `n_eval_tasks`, `unit`.

    Raises:
        InputError: as there.
    """
    means = prompt_means(df, y, role=role, x=x, eval_task=eval_task, task=task)
    columns = list(dict.fromkeys((task, "prompt_id", "seed", x, y, *_ABOUT)))
    parts = [
        pd.DataFrame(_each_seed(name, grid, means)).assign(unit=means.unit)
        for name, grid in select(df, y, role=role, x=x, eval_task=eval_task, task=task).by_task()
        if name in means.tasks
    ]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns]


def _each_seed(name: str, grid: Grid, means: PromptMeans) -> dict[str, Any]:
    """The columns of `seeds_table` for one current task, prompt by prompt."""
    weights = means.tasks[name].weights
    y = over_eval_tasks(grid, grid.y, weights)
    x = over_eval_tasks(grid, grid.x, dict.fromkeys(weights, 1.0))
    shared = ~np.isnan(y).any(axis=0)
    task, x_name, y_name = means.columns
    return {
        task: name,
        "prompt_id": np.repeat(grid.prompts, shared.sum()),
        "seed": np.tile(grid.seeds[shared], len(grid.prompts)),
        str(x_name): x[:, shared].ravel(),
        y_name: y[:, shared].ravel(),
        "n_seeds": 1,
        "n_eval_tasks": len(weights),
    }


@remembered
def prompt_means(
    df: pd.DataFrame,
    y: str,
    *,
    role: str | None = None,
    x: str | None = "pre_update_loss",
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
    rescale: bool = True,
) -> PromptMeans:
    """`prompts_table`, its weights and what it left out; `any_role` averages over all roles."""
    cells = cells_of(df, y, role=role, x=x, eval_task=eval_task, task=task, any_role=any_role)
    scaled = rescale and cells.mixed_metrics and unit_of(y) in (SCORE_UNIT, "")
    excluded, tasks = dict(cells.excluded), {}
    for name, cell in cells.tasks.items():
        spread = _spread(cell.y) if scaled else np.ones(len(cell.y))
        used = spread > 0
        if not used.any():
            excluded[name] = "no evaluated task differs between prompts"
            continue
        factors = 1 / spread[used]
        weights = dict(zip(cell.eval_tasks[used], map(float, factors), strict=True))
        means = (cell.y[used] * factors[:, np.newaxis]).mean(axis=0)
        tasks[name] = TaskMeans(cell.prompts, cell.x, means, cell.n_seeds, weights)
    unit = SD_UNIT if scaled else unit_of(y)
    incomplete = ""
    if x is not None:
        incomplete = without_value(df, (x,), y, task, role, eval_task)
    return PromptMeans(tasks, (task, x, y), unit, excluded, cells.role, incomplete)


def _spread(y: Floats) -> Floats:
    """Standard deviation of each row; 0 where there is but one value."""
    return y.std(axis=1, ddof=1) if y.shape[1] > 1 else np.zeros(len(y))


def over_eval_tasks(grid: Grid, values: Floats, weights: dict[str, float]) -> Floats:
    """Prompts x seeds: the mean of weighted values over the evaluated tasks that have a weight.

    nan where a cell lacks one of them: it would be a mean of something else.
    """
    places = {name: i for i, name in enumerate(grid.eval_tasks)}
    if not weights.keys() <= places.keys():
        return np.full(values.shape[:2], np.nan)
    own = values[:, :, [places[name] for name in weights]]
    means: Floats = (own * np.array(list(weights.values()))).mean(axis=2)
    return means


@remembered
def without_value(
    df: pd.DataFrame,
    columns: tuple[str, ...],
    y: str,
    task: str,
    role: str | None = None,
    eval_task: str | None = None,
) -> str:
    """How many prompts of each task have y but nowhere all columns beside it, in words; "" if none.

    A prompt that lacks them at some seeds is not among these: those seeds are left out for all.

    Args:
        df: As `prompts_table`.
        columns: What a prompt should have.
        y: Column of the outcome.
        task: Column that names the current task.
        role: Only evaluated tasks of this role.
        eval_task: Only this evaluated task.
    """
    known = np.logical_and.reduce([df[name].notna().to_numpy() for name in columns])
    if known.all():
        return ""
    looked_at = asked_for(df, role, eval_task) & df[y].notna().to_numpy()
    rows = df.loc[looked_at, [name for name in (task, "prompt_id") if name in df]]
    prompts = rows["prompt_id"] if "prompt_id" in rows else pd.Series(rows.index, rows.index)
    has_all = pd.Series(known[looked_at], rows.index).groupby([rows[task], prompts]).any()
    missing = has_all[~has_all].groupby(level=0).size()
    if missing.empty:
        return ""
    counts = ", ".join(f"{n} of {name}" for name, n in missing.items())
    return f". Prompts left out for lack of a value: {counts}"


@remembered
def cells_of(
    df: pd.DataFrame,
    y: str,
    *,
    role: str | None = None,
    x: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
) -> Cells:
    """Seed-averaged values per current task, prompt and evaluated task, over shared cells."""
    rows = select(df, y, role=role, x=x, eval_task=eval_task, task=task, any_role=any_role)
    tasks: dict[str, TaskCells] = {}
    excluded: dict[str, str] = {}
    for name, grid in rows.by_task():
        cell = _over_seeds(grid)
        if cell is None:
            excluded[name] = "no seed and evaluated task that all prompts share"
        else:
            tasks[name] = cell
    return Cells(tasks, excluded, rows.mixed_metrics, rows.role)


def _over_seeds(grid: Grid) -> TaskCells | None:
    """The mean over the seeds that all prompts share, of the evaluated tasks known at all these."""
    shared: Bools = np.logical_and.reduce(~np.isnan(grid.y), axis=0)
    used: Bools = np.logical_or.reduce(shared, axis=1)
    kept: Bools = np.logical_and.reduce(shared[used], axis=0)
    if not used.any() or not kept.any():
        return None
    y, x = grid.y[:, used][:, :, kept], grid.x[:, used][:, :, kept]
    by_eval_task = np.ascontiguousarray(y.mean(axis=1).T)
    return TaskCells(
        grid.prompts, grid.eval_tasks[kept], x.mean(axis=(1, 2)), by_eval_task, int(used.sum())
    )
