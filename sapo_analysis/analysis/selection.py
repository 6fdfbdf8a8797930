"""The rows of an impacts table that averages are taken of, as arrays: task by task, cell by cell.

A report averages a table of ten thousand rows a few hundred times. So columns are masked one by
one and names are numbers here: filtering and grouping whole tables takes ten times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from sapo_analysis.analysis.intervals import Floats
from sapo_analysis.analysis.remembering import remembered
from sapo_analysis.errors import InputError, unknown

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Names = npt.NDArray[np.object_]

SMALLEST, LARGEST = 1e-50, 1e50
"""Sizes that values may have beside 0: products of two variances stay far from a float's ends."""


class Labels(NamedTuple):
    """A column of names: row i is called `names[codes[i]]`; the names are sorted as text."""

    codes: Ints
    names: Names

    @classmethod
    def of(cls, column: pd.Series[Any], missing: str = "none") -> Labels:
        """The names in a column; `missing` where there is none."""
        codes, values = pd.factorize(column)
        return cls.in_order(codes, [*map(str, values), missing])

    @classmethod
    def in_order(cls, codes: Ints, names: list[str]) -> Labels:
        """Of names that are not in order, repeat, or belong to no row."""
        text, place = np.unique(np.array(names, dtype=object), return_inverse=True)
        return cls(place[codes], text).at(slice(None))

    @classmethod
    def blank(cls, n: int) -> Labels:
        """`n` rows of one name, the empty one."""
        return cls(np.zeros(n, dtype=np.intp), np.array([""], dtype=object))

    def at(self, rows: Ints | Bools | slice) -> Labels:
        """The same of some rows, with the names that they have."""
        codes = self.codes[rows]
        used = np.flatnonzero(np.bincount(codes, minlength=len(self.names)))
        place = np.zeros(len(self.names), dtype=np.intp)
        place[used] = np.arange(len(used))
        return Labels(place[codes], self.names[used])

    def then(self, other: Labels) -> Labels:
        """This name, the other one and a "/" as one name."""
        n = max(1, len(other.names))
        codes, pairs = pd.factorize(self.codes * n + other.codes)
        names = [f"{self.names[pair // n]}{other.names[pair % n]}/" for pair in pairs]
        return Labels.in_order(codes, names)


@dataclass(frozen=True)
class Grid:
    """One current task: prompts x seeds x evaluated tasks, each sorted by name.

    `x` and `y` are nan where the table has no row.
    """

    prompts: Names
    seeds: Names
    eval_tasks: Names
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Selection:
    """Rows that hold a value of y, and of x where one was asked for.

    Attributes:
        task: The current task.
        prompt: The prompt; a table without prompts has one for each row.
        seed: State seed and seed as text, a "/" after each.
        eval_task: The evaluated task.
        x: Value of the indicator; 0 where none was asked for.
        y: Value of the outcome.
        mixed_metrics: Whether evaluated tasks of one current task have different metrics.
        role: The role that was chosen, or the only one there is; None where there are several.
    """

    task: Labels
    prompt: Labels
    seed: Labels
    eval_task: Labels
    x: Floats
    y: Floats
    mixed_metrics: bool
    role: str | None

    def by_task(self) -> list[tuple[str, Grid]]:
        """The cells of each current task, in order of name."""
        return self._grids

    @cached_property
    def _grids(self) -> list[tuple[str, Grid]]:
        grids = []
        # Of numbers so short numpy's stable order takes no comparisons.
        short = np.uint16 if len(self.task.names) < 2**16 else np.intp
        order = np.argsort(self.task.codes.astype(short), kind="stable")
        first = np.searchsorted(self.task.codes[order], np.arange(len(self.task.names) + 1))
        for i, name in enumerate(self.task.names):
            rows = order[first[i] : first[i + 1]]
            prompt, seed, other = self.prompt.at(rows), self.seed.at(rows), self.eval_task.at(rows)
            y = np.full((len(prompt.names), len(seed.names), len(other.names)), np.nan)
            x = y.copy()
            cells = prompt.codes, seed.codes, other.codes
            x[cells], y[cells] = self.x[rows], self.y[rows]
            grids.append((str(name), Grid(prompt.names, seed.names, other.names, x, y)))
        return grids


@remembered
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
) -> Selection:
    """The rows of one purpose that hold a value of y and of x; one role's unless `any_role`.

    Rows that name no task or no prompt are left out.

    Args:
        df: As `prompts_table`.
        y: Column of the outcome.
        role: Role of the evaluated tasks; may be left out where only one role has values.
        x: Column of the indicator; None for none.
        eval_task: Only this evaluated task.
        task: Column that names the current task.
        any_role: Rows of all roles.
        purpose: What the trials were for; a table without `purpose` is taken as it is.

    Raises:
        InputError: as `prompts_table`.
    """
    check_columns(df, [task, y, *([x] if x is not None else [])])
    asked = asked_for(df, role, eval_task, purpose)
    named = [name for name in (task, "prompt_id", "eval_task") if name in df]
    for column in (y, *([x] if x is not None else []), *named):
        asked = asked & known(df, column)
    roles = _roles(df, asked)
    if role is None and not any_role and len(roles) > 1:
        found = ", ".join(sorted(roles))
        raise InputError(
            f"Column {y!r} has values for several roles ({found}); they are never pooled."
            " Choose role=."
        )
    only = str(roles[0]) if len(roles) == 1 and not any_role else None
    n = int(asked.sum())
    values = {name: df[name][asked].to_numpy(dtype=float) for name in (x, y) if name is not None}
    for name, own in values.items():
        _refuse_size(name, own)
    own_task = labels_of(df, task).at(asked)
    selection = Selection(
        task=own_task,
        prompt=_prompts(df, asked, list(values.values())),
        seed=_seeds(df, asked),
        eval_task=labels_of(df, "eval_task").at(asked) if "eval_task" in df else Labels.blank(n),
        x=values[x] if x is not None else np.zeros(n),
        y=values[y],
        mixed_metrics="metric" in df and _has_several(own_task, df, asked),
        role=role if role is not None else only,
    )
    _refuse_twice(selection, y)
    return selection


def asked_for(
    df: pd.DataFrame, role: str | None, eval_task: str | None, purpose: str = "main"
) -> Bools:
    """Which rows are of a purpose, a role and an evaluated task, where these are given.

    Raises:
        InputError: no row of the purpose is of the role, or of the evaluated task.
    """
    asked = _equal(df, "purpose", purpose) if "purpose" in df else np.ones(len(df), dtype=bool)
    for column, value in (("role", role), ("eval_task", eval_task)):
        if value is None:
            continue
        if column not in df:
            raise InputError(
                f"{column}={value!r} was asked for, but the table has no column {column!r}."
                " Leave it out."
            )
        found = asked & _equal(df, column, value)
        if not found.any():
            kind = column.replace("eval_task", "evaluated task")
            raise unknown(kind, value, sorted(df[column][asked].dropna().unique()))
        asked = found
    return asked


@remembered
def labels_of(df: pd.DataFrame, column: str) -> Labels:
    """The names in a column, of every row."""
    return Labels.of(df[column])


@remembered
def known(df: pd.DataFrame, column: str) -> Bools:
    """Which rows have a value in a column."""
    found: Bools = df[column].notna().to_numpy()
    return found


def of_role(df: pd.DataFrame, role: str) -> Bools:
    """Which rows are of a role."""
    return _equal(df, "role", role)


@remembered
def _equal(df: pd.DataFrame, column: str, value: str) -> Bools:
    found: Bools = (df[column] == value).to_numpy(dtype=bool, na_value=False)
    return found


def _roles(df: pd.DataFrame, asked: Bools) -> list[str]:
    if "role" not in df:
        return []
    return [str(name) for name in labels_of(df, "role").at(asked & known(df, "role")).names]


def _prompts(df: pd.DataFrame, asked: Bools, values: list[Floats]) -> Labels:
    if "prompt_id" in df:
        return labels_of(df, "prompt_id").at(asked)
    # Named by value (the first of them counts most): no result depends on the order of the rows.
    order = np.lexsort(values[::-1])
    codes = np.empty_like(order)
    codes[order] = np.arange(len(order))
    return Labels(codes, np.array([f"row {i:06d}" for i in range(len(order))], dtype=object))


def _seeds(df: pd.DataFrame, asked: Bools) -> Labels:
    seeds = Labels.blank(int(asked.sum()))
    for column in ("state_seed", "seed"):
        if column in df:
            seeds = seeds.then(labels_of(df, column).at(asked))
    return seeds


def _has_several(task: Labels, df: pd.DataFrame, asked: Bools) -> bool:
    """Whether rows of one current task name more than one metric."""
    named = known(df, "metric")[asked]
    metrics = labels_of(df, "metric").at(asked & known(df, "metric"))
    pairs = task.codes[named] * max(1, len(metrics.names)) + metrics.codes
    return len(np.unique(pairs)) > len(np.unique(task.codes[named]))


def _refuse_twice(rows: Selection, y: str) -> None:
    labels = {
        "task": rows.task,
        "prompt_id": rows.prompt,
        "seed": rows.seed,
        "eval_task": rows.eval_task,
    }
    cells = np.zeros(len(rows.y), dtype=np.intp)
    for own in labels.values():
        cells = cells * max(1, len(own.names)) + own.codes
    again = np.flatnonzero(pd.Index(cells).duplicated())
    if len(again):
        twice = {name: str(own.names[own.codes[again[0]]]) for name, own in labels.items()}
        raise InputError(
            f"Two rows hold {y!r} for {twice}. Give one row each;"
            " a column `seed` tells repeats apart."
        )


def _refuse_size(name: str, values: Floats) -> None:
    """Refuse what is infinite, or so large or small that products of squares would not exist."""
    size = np.abs(values)
    if (((size >= SMALLEST) & (size <= LARGEST)) | (size == 0)).all():
        return
    if np.isinf(size).any():
        raise InputError(
            f"Column {name!r} holds an infinite value. Leave that trial out: it diverged."
        )
    most = values[size.argmax()]
    if abs(most) > LARGEST:
        raise InputError(
            f"Column {name!r} holds a value of {most:.3g}, too large to be squared."
            " Leave that trial out if it diverged, or give the column in another unit."
        )
    least = values[np.where(size > 0, size, np.inf).argmin()]
    raise InputError(
        f"Column {name!r} holds a value of {least:.3g}, too small to be squared."
        " Give the column in another unit, or its logarithm; or 0 where it stands for none."
    )


def check_columns(df: pd.DataFrame, wanted: list[str]) -> None:
    """Refuse what is no table, or lacks a column, or holds text where numbers belong.

    Args:
        df: The table.
        wanted: Columns needed; all but the first must be numeric.

    Raises:
        InputError: naming the column, and the known ones; or a column that is there twice.
    """
    if not isinstance(df, pd.DataFrame):
        raise InputError(
            f"A table (pandas DataFrame) is needed, got {type(df).__name__}."
            " `run.impacts()` makes one."
        )
    if not df.columns.is_unique:
        twice = df.columns[df.columns.duplicated()][0]
        raise InputError(f"The table has two columns {twice!r}. Keep one, or rename the other.")
    for column in wanted:
        if column not in df:
            raise unknown("column", column, [str(c) for c in df.columns])
        if not _is_real(df[column]) and column != wanted[0]:
            raise InputError(
                f"Column {column!r} is not numeric (it holds {df[column].dtype})."
                " Name a column of numbers."
            )


def _is_real(column: pd.Series[Any]) -> bool:
    kinds = pd.api.types
    return kinds.is_numeric_dtype(column) and not kinds.is_complex_dtype(column)
