"""From trials to points: one per (current task, prompt), averaged over tasks and shared seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sapo_analysis.analysis.quantities import SCORE_UNIT, unit_of
from sapo_analysis.errors import InputError, unknown

SD_UNIT = "standard deviations over prompts"


@dataclass(frozen=True)
class TaskCells:
    """Seed-averaged values of one current task.

    `y` is prompts x evaluated tasks, `x` one value per prompt; both are means over the `n_seeds`
    seeds that all prompts share.
    """

    x: pd.Series[float]
    y: pd.DataFrame
    n_seeds: int


@dataclass(frozen=True)
class Cells:
    """The cells of every usable current task, and why the others were left out."""

    tasks: dict[str, TaskCells]
    excluded: dict[str, str]
    mixed_metrics: bool
    role: str | None


@dataclass(frozen=True)
class PromptMeans:
    """`table` as `prompts_table`, and what it does not hold.

    Attributes:
        table: The points.
        weights: The factor of each evaluated task's value.
        excluded: Current tasks left out, and why.
        role: Role of the evaluated tasks; None where there are several or none.
        incomplete: Prompts left out for lack of a value of x, as `without_value` words it.
    """

    table: pd.DataFrame
    weights: dict[str, pd.Series[float]]
    excluded: dict[str, str]
    role: str | None
    incomplete: str = ""


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
    columns = [task, "prompt_id", "seed", x, y, "n_seeds", "n_eval_tasks", "unit"]
    columns = list(dict.fromkeys(columns))
    if means.table.empty:
        return pd.DataFrame(columns=columns)
    rows = select(df, y, role=role, x=x, eval_task=eval_task, task=task)
    weights = pd.concat(means.weights, names=["task", "eval_task"]).rename("weight")
    rows = rows.merge(weights.reset_index(), on=["task", "eval_task"])
    rows["y"] = rows["y"] * rows["weight"]
    found = rows.groupby(["task", "prompt_id", "seed"], sort=True).agg(
        x=("x", "mean"), y=("y", "mean"), n_eval_tasks=("y", "size")
    )
    found = found.reset_index()
    sizes = {name: len(weight) for name, weight in means.weights.items()}
    found = found[found["n_eval_tasks"] == found["task"].map(sizes)]
    n_prompts = means.table.groupby(task).size()
    complete = found.groupby(["task", "seed"])["prompt_id"].transform("size")
    found = found[complete == found["task"].map(n_prompts)]
    found = found.assign(n_seeds=1, unit=str(means.table["unit"].iloc[0]))
    found[task], found[x], found[y] = found["task"], found["x"], found["y"]
    return found[columns].reset_index(drop=True)


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
    excluded, weights, parts = dict(cells.excluded), {}, []
    for name, cell in cells.tasks.items():
        weight = pd.Series(1.0, index=cell.y.columns)
        if scaled:
            spread = cell.y.std(ddof=1)
            weight = 1 / spread[spread > 0]
        if weight.empty:
            excluded[name] = "no evaluated task differs between prompts"
            continue
        weights[name] = weight
        part = pd.DataFrame({task: name, "prompt_id": cell.y.index})
        if x is not None:
            part[x] = cell.x.to_numpy()
        part[y] = (cell.y[weight.index] * weight).mean(axis=1).to_numpy()
        part["n_seeds"], part["n_eval_tasks"] = cell.n_seeds, len(weight)
        part["unit"] = SD_UNIT if scaled else unit_of(y)
        parts.append(part)
    columns = [
        task,
        "prompt_id",
        *([x] if x is not None else []),
        y,
        "n_seeds",
        "n_eval_tasks",
        "unit",
    ]
    columns = list(dict.fromkeys(columns))
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    ours = df if role is None else df[df["role"] == role]
    if eval_task is not None:
        ours = ours[ours["eval_task"] == eval_task]
    incomplete = without_value(ours, [x], y, task) if x is not None else ""
    return PromptMeans(table, weights, excluded, cells.role, incomplete)


def without_value(df: pd.DataFrame, columns: list[str], y: str, task: str) -> str:
    """How many prompts of each task have y but nowhere all columns beside it, in words; "" if none.

    A prompt that lacks them at some seeds is not among these: those seeds are left out for all.
    """
    rows = df[df[y].notna()]
    if "purpose" in df:
        rows = rows[rows["purpose"] == "main"]
    prompts = rows["prompt_id"] if "prompt_id" in rows else pd.Series(rows.index, rows.index)
    known = rows[columns].notna().all(axis=1).groupby([rows[task], prompts]).any()
    missing = known[~known].groupby(level=0).size()
    if missing.empty:
        return ""
    counts = ", ".join(f"{n} of {name}" for name, n in missing.items())
    return f". Prompts left out for lack of a value: {counts}"


def cells_of(
    df: pd.DataFrame,
    y: str,
    *,
    role: str | None = None,
    x: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
    purpose: str = "main",
) -> Cells:
    """Seed-averaged values per current task, prompt and evaluated task, over shared cells."""
    rows = select(
        df, y, role=role, x=x, eval_task=eval_task, task=task, any_role=any_role, purpose=purpose
    )
    tasks: dict[str, TaskCells] = {}
    excluded: dict[str, str] = {}
    for name, part in rows.groupby("task", sort=True):
        cell = _averaged(part)
        if cell is None:
            excluded[str(name)] = "no seed and evaluated task that all prompts share"
        else:
            tasks[str(name)] = cell
    metrics = rows.groupby("task")["metric"].nunique()
    chosen = role if any_role or role is not None else _only_role(rows)
    return Cells(tasks, excluded, bool((metrics > 1).any()), chosen)


def _averaged(part: pd.DataFrame) -> TaskCells | None:
    """One current task; a plain array, as a pivot costs a hundred times more."""
    prompt, prompts = pd.factorize(part["prompt_id"], sort=True)
    seed, seeds = pd.factorize(part["seed"])
    evaluated, names = pd.factorize(part["eval_task"], sort=True)
    y = np.full((len(prompts), len(seeds), len(names)), np.nan)
    x = y.copy()
    y[prompt, seed, evaluated], x[prompt, seed, evaluated] = part["y"], part["x"]
    shared = ~np.isnan(y).any(axis=0)
    used = shared.any(axis=1)
    kept = shared[used].all(axis=0)
    if not used.any() or not kept.any():
        return None
    y, x = y[:, used][:, :, kept], x[:, used][:, :, kept]
    index = pd.Index(prompts, name="prompt_id")
    table = pd.DataFrame(y.mean(axis=1), index=index, columns=list(names[kept]))
    return TaskCells(pd.Series(x.mean(axis=(1, 2)), index=index), table, int(used.sum()))


def select(
    df: pd.DataFrame,
    y: str,
    *,
    role: str | None = None,
    x: str | None = None,
    eval_task: str | None = None,
    task: str = "current_task",
    any_role: bool = False,
    purpose: str = "main",
) -> pd.DataFrame:
    """Rows that hold a value of y: task, prompt_id, seed (text), eval_task, metric, role, x, y."""
    check_columns(df, [task, y, *([x] if x is not None else [])])
    if "purpose" in df:
        df = df[df["purpose"] == purpose]
    if role is not None:
        df = _only(df, "role", role)
    if eval_task is not None:
        df = _only(df, "eval_task", eval_task)
    df = df[df[y].notna() & (df[x].notna() if x is not None else True)].reset_index(drop=True)
    if role is None and not any_role and "role" in df and df["role"].nunique() > 1:
        found = ", ".join(sorted(df["role"].unique()))
        raise InputError(
            f"Column {y!r} has values for several roles ({found}); they are never pooled."
            " Choose role=."
        )
    rows = pd.DataFrame(
        {
            "task": df[task].astype(str),
            "prompt_id": df["prompt_id"].astype(str) if "prompt_id" in df else _row_names(df, x, y),
            "seed": _seed_names(df),
            "eval_task": df["eval_task"].astype(str) if "eval_task" in df else "",
            "metric": df["metric"].astype(str) if "metric" in df else "",
            "role": df["role"] if "role" in df else None,
            "x": df[x].astype(float) if x is not None else 0.0,
            "y": df[y].astype(float),
        },
        index=df.index,
    )
    for column, name in (("x", x), ("y", y)):
        if np.isinf(rows[column]).any():
            raise InputError(
                f"Column {name!r} holds an infinite value. Leave that trial out: it diverged."
            )
    keys = ["task", "prompt_id", "seed", "eval_task"]
    if rows.duplicated(keys).any():
        twice = rows.loc[rows.duplicated(keys), keys].iloc[0].to_dict()
        raise InputError(
            f"Two rows hold {y!r} for {twice}. Give one row each;"
            " a column `seed` tells repeats apart."
        )
    return rows


def _row_names(df: pd.DataFrame, x: str | None, y: str) -> pd.Series[str]:
    # Named by value, so that no result depends on the order of the rows.
    order = df.sort_values([x, y] if x is not None else [y], kind="stable").index
    return pd.Series([f"row {i:06d}" for i in range(len(df))], index=order)


def _seed_names(df: pd.DataFrame) -> pd.Series[str]:
    names = pd.Series("", index=df.index, dtype="str")
    for column in ("state_seed", "seed"):
        if column in df:
            names = names + df[column].astype("str").fillna("none") + "/"
    return names


def _only(df: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    if column not in df:
        raise InputError(
            f"{column}={value!r} was asked for, but the table has no column {column!r}."
            " Leave it out."
        )
    if not (df[column] == value).any():
        raise unknown(
            column.replace("eval_task", "evaluated task"),
            value,
            sorted(df[column].dropna().unique()),
        )
    return df[df[column] == value]


def _only_role(rows: pd.DataFrame) -> str | None:
    roles = rows["role"].dropna().unique()
    return str(roles[0]) if len(roles) == 1 else None


def check_columns(df: pd.DataFrame, wanted: list[str]) -> None:
    """Refuse what is no table, or lacks a column, or holds text where numbers belong.

    Args:
        df: The table.
        wanted: Columns needed; all but the first must be numeric.

    Raises:
        InputError: naming the column and the known ones.
    """
    if not isinstance(df, pd.DataFrame):
        raise InputError(
            f"A table (pandas DataFrame) is needed, got {type(df).__name__}."
            " `run.impacts()` makes one."
        )
    for column in wanted:
        if column not in df:
            raise unknown("column", column, [str(c) for c in df.columns])
        if not pd.api.types.is_numeric_dtype(df[column]) and column != wanted[0]:
            raise InputError(
                f"Column {column!r} is not numeric (it holds {df[column].dtype})."
                " Name a column of numbers."
            )
