"""What each strategy scores on every task after the last stage."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import plus_minus, standing
from sapo_analysis.paper.tables.spec import Column, TableSpec
from sapo_analysis.paper.tables.strategies import BOLD

WITH_INTERVALS = 5
"""Tasks whose intervals have room beside each other."""
NAMES_FIT = 60
"""Characters of all names together that have room beside each other."""


def task_scores_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """A row per strategy, a column per task.

    Raises:
        InputError: no chain has learned all its tasks.
    """
    kind = numbers.test_prompts(options)
    found = [r for r in numbers.report["tasks_of_strategies"] if r["test_prompts"] == kind]
    if not found:
        raise InputError(f"No chain has learned all its tasks with {kind} test prompts yet.")
    tasks = list(dict.fromkeys(str(row["eval_task"]) for row in found))
    keys = {task: f"final {task}" for task in tasks}
    rows: dict[str, dict[str, Any]] = {}
    if base := numbers.report["base"]:
        first: dict[str, Any] = {"block": "", "strategy": "", "name": "base model"}
        rows[""] = first | {"is_base": True}
        for task in tasks:
            rows[""][keys[task]] = base.get(task)
    for one in found:
        strategy = str(one["strategy"])
        policy, _, method = strategy.partition("+")
        about = {"block": METHOD_WORDS[method], "strategy": strategy, "name": policy}
        row = rows.setdefault(strategy, {**about, "is_base": False})
        key = keys[str(one["eval_task"])]
        row |= {key: one["final"], f"{key}_lower": one["final_lower"]}
        row |= {f"{key}_upper": one["final_upper"], f"{key}_n": one["final_n"]}
    table = pd.DataFrame(list(rows.values()))
    numeric = [name for name in map(str, table.columns) if name.startswith("final ")]
    table[numeric] = table[numeric].astype(float)
    lower = table[[name for name in numeric if name.endswith("_lower")]]
    intervals = len(tasks) <= WITH_INTERVALS
    heads, listed = heads_of(tasks)
    unit = str(found[0]["unit"])
    return TableSpec(
        name=f"task_scores_{kind}",
        columns=(
            Column("name", "Policy"),
            *(
                Column(
                    *(keys[task], head),
                    kind="estimate" if intervals else "number",
                    decimals=1,
                    better="high",
                    interval="plus-minus",
                )
                for task, head in zip(tasks, heads, strict=True)
            ),
        ),
        rows=table,
        caption=Caption(
            shows=f"Score of every strategy on each task after the last stage, with {kind} test"
            " prompts",
            n={
                "tasks": len(tasks),
                "orders": len(numbers.report["orders"]),
                "seeds": len(numbers.report["seeds"]),
            },
            interval=f"95 %, Student t over {unit}" if intervals else "",
            terms=("final",),
        ),
        notes=(
            *((plus_minus(lower.to_numpy().ravel(), unit),) if intervals else ()),
            BOLD,
            *listed,
            *standing(numbers),
        ),
        blocks="block",
        outside="is_base",
        wide=True,
    )


def heads_of(tasks: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """A head per task: its name, or where names have no room a number and what it stands for."""
    if sum(map(len, tasks)) <= NAMES_FIT:
        return tasks, ()
    listed = ", ".join(f"{i} {task}" for i, task in enumerate(tasks, start=1))
    return [str(i) for i in range(1, len(tasks) + 1)], (f"Tasks: {listed}.",)
