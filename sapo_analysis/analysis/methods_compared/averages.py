"""Means over prompts and seeds, then over what is independent: tuned tasks, or orders."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sapo_analysis.analysis.intervals import Floats, mean_interval
from sapo_analysis.analysis.sequences.metrics import LEAST, UNITS, interval_of, unit_of
from sapo_analysis.analysis.wording import counted

_OF_TASK = ["tuned_task", "seed"]


class Mean(NamedTuple):
    """A mean over independent values with its 95 % interval.

    Attributes:
        value: the mean.
        lower: Student t, as `upper`; nan where there are too few values, or all are the same.
        n: values that entered.
    """

    value: float
    lower: float
    upper: float
    n: int


def unit_named(rows: pd.DataFrame) -> str:
    """What values of fine-tunes are independent over, in words."""
    if is_sequence(rows):
        return UNITS[unit_of(rows)]
    return "tuned tasks"


def is_sequence(rows: pd.DataFrame) -> bool:
    """Whether rows of fine-tunes are stages of chains."""
    return bool((rows["order"] != "").any())


def by_unit(rows: pd.DataFrame, columns: Sequence[Hashable]) -> pd.DataFrame:
    """One row per independent unit: means of fine-tunes over prompts, then over seeds.

    In a paraphrase study a unit is a tuned task. In sequences it is an order (its tasks learn from
    each other), or with one order a seed: means over its stages.

    Args:
        rows: a row per fine-tune: `tuned_task`, `order`, `seed`, and the columns.
        columns: numbers; nan are left out.
    """
    of, unit = (["order", "seed"], unit_of(rows)) if is_sequence(rows) else (_OF_TASK, _OF_TASK[0])
    within = rows.groupby(of, sort=False)[list(columns)].mean()
    return within.groupby(level=unit, sort=False).mean()


def mean_of(per_unit: pd.Series[float], in_sequence: bool) -> Mean:
    """The mean of values by unit, with the interval that such units have elsewhere."""
    values: Floats = np.asarray(per_unit.dropna(), dtype=np.float64)
    if in_sequence:
        return Mean(*interval_of(values), len(values))
    return Mean(*mean_interval(values, values, "new_tasks"), len(values))


def all_same(found: Mean, in_sequence: bool) -> bool:
    """Whether there is no interval because all units have the same value, not for want of them."""
    least = LEAST if in_sequence else 2
    return found.value == found.value and found.lower != found.lower and found.n >= least


def same_in_words(unit: str) -> str:
    """Why there is no interval where `all_same`; `unit` as `unit_named` has it."""
    each = {"tuned tasks": "tuned task", "orders": "order"}.get(unit, "seed")
    return f"No ±: the same in every {each}."


def counts_in_words(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """As in `4 tuned tasks × 2 prompts × 3 seeds`; in sequences policies choose the prompts.

    Args:
        row: with the counts of `sizes`.
    """
    n_orders = int(row["n_orders"])
    parts = [
        counted(int(row["n_tasks"]), "tuned task"),
        counted(n_orders, "order") if n_orders else counted(int(row["n_prompts"]), "prompt"),
        counted(int(row["n_seeds"]), "seed"),
    ]
    return " × ".join(parts)


def sizes(rows: pd.DataFrame) -> dict[str, Any]:
    """How much stands behind rows of fine-tunes, at least: tasks, prompts of a task, seeds."""
    per_task = rows.groupby("tuned_task", sort=False)
    return {
        "unit": unit_named(rows),
        "n_tasks": int(rows["tuned_task"].nunique()),
        "n_prompts": int(per_task["prompt_id"].nunique().min()),
        "n_seeds": int(per_task["seed"].nunique().min()),
        "n_orders": int(rows["order"].nunique()) if is_sequence(rows) else 0,
    }
