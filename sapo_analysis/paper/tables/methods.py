"""The tables of methods beside each other, of any kind of study, and the published one."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.analysis.methods_compared import BASE, MARK, SOURCE, published, same_in_words
from sapo_analysis.analysis.methods_compared.published import PUBLISHED_METHODS, published_averages
from sapo_analysis.analysis.methods_compared.table import OVER_TASKS
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.method_marks import words
from sapo_analysis.paper.kinds import ANY
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.comparison import comparison_table
from sapo_analysis.paper.tables.kind import TableKind, once
from sapo_analysis.paper.tables.method_differences import differences_table
from sapo_analysis.paper.tables.notes import plus_minus, standing
from sapo_analysis.paper.tables.outputs import outputs_table
from sapo_analysis.paper.tables.spec import Column, TableSpec
from sapo_analysis.paper.tables.task_scores import heads_of

MOST_TASKS = 8
"""Tasks that have a column each; of more the scores are in the CSV alone."""
_NUMBERS = {
    "tuned_score": "tuned",
    "normalized_average_others": "others",
    "normalized_average_others_to_base": "Δ base",
    "normalized_average": "all",
    "normalized_average_to_base": "Δ base",
    "ap": "AP",
}
_GROUPS = {name: "Normalized average" for name in _NUMBERS if name.startswith("normalized")}
_HEADS = {
    "pretrained": "pretrained",
    "fine-tuning": "fine-tuning",
    "promot": "ProMoT",
    "promot+1-shot": "+ 1-shot",
}


def methods_table(numbers: Numbers, options: Options) -> TableSpec:
    """A row per method: tuned score, normalized averages, differences to the base, each task.

    Raises:
        InputError: no fine-tune has ended, or the runs cannot be compared.
    """
    table = numbers.compared.table
    own = table[table["tuned_task"] == OVER_TASKS]
    if (own["name"] == BASE).all():
        raise InputError("No fine-tune of these runs has ended yet: there is nothing to show.")
    by_task = numbers.compared.tasks
    by_task = by_task[by_task["tuned_task"] == OVER_TASKS]
    tasks = list(dict.fromkeys(map(str, by_task["eval_task"])))
    keys = {task: f"score {task}" for task in tasks}
    shots = sorted(set(own["n_shots"]))
    rows: list[dict[str, Any]] = []
    for row in own.sort_values("n_shots", kind="stable").to_dict("records"):
        mine = by_task[(by_task["name"] == row["name"]) & (by_task["n_shots"] == row["n_shots"])]
        scores = dict(zip(mine["eval_task"].map(keys), mine["score"], strict=True))
        about = {"block": f"{row['n_shots']}-shot" if len(shots) > 1 else ""}
        about |= {"method_name": words(str(row["name"])), "is_base": row["name"] == BASE}
        rows.append({**about, **{str(k): v for k, v in row.items()}, **scores})
    frame = pd.DataFrame(rows)
    named = {key: head for key, head in _NUMBERS.items() if frame[key].notna().any()}
    heads, listed = heads_of(tasks)
    printed = tasks if len(tasks) <= MOST_TASKS else []
    first = own[own["name"] != BASE].iloc[0]
    sizes = {"tasks": "n_tasks", "prompts": "n_prompts", "seeds": "n_seeds", "orders": "n_orders"}
    n = {name: int(first[column]) for name, column in sizes.items() if first[column]}
    return TableSpec(
        name="methods",
        columns=(
            Column("method_name", "Method"),
            *(
                Column(
                    *(key, head, _GROUPS.get(key, "")),
                    kind="estimate",
                    decimals=1,
                    signed=key.endswith("_to_base"),
                    better="high",
                    interval="plus-minus",
                )
                for key, head in named.items()
            ),
            *(
                Column(keys[task], head, "Task", kind="number", decimals=1, better="high")
                for task, head in zip(tasks, heads, strict=True)
                if task in printed
            ),
        ),
        rows=frame,
        caption=Caption(
            shows="What each method comes to: score on the task it was tuned on, plain mean of the"
            " scores on all others and on all tasks, and score on each task when others were tuned",
            n=n,
            interval=f"95 %, Student t over {first['unit']}",
            terms=tuple(name for name in named if name in _TERMS),
        ),
        notes=(
            *_intervals(own[own["name"] != BASE], list(named)),
            "Bold: the best method of its column.",
            "Δ base: difference to the base model under the same prompts (points).",
            *((numbers.compared.steps,) if numbers.compared.steps else ()),
            *(listed if printed else ("Scores by task: in the CSV file.",)),
            *standing(numbers),
        ),
        blocks="block" if len(shots) > 1 else "",
        outside="is_base",
        wide=True,
    )


def _intervals(rows: pd.DataFrame, shown: list[str]) -> list[str]:
    """What ± is, and where it is missing because units do not differ."""
    unit = str(rows["unit"].iloc[0])
    is_same = any(key in same for same in rows["same"] for key in shown)
    has_ends = rows[[f"{key}_lower" for key in shown]].notna().any(axis=None)
    ends = [end for key in shown for end in rows[f"{key}_lower"]]
    said = [plus_minus(ends, unit)] if has_ends or not is_same else []
    return [*said, *([same_in_words(unit)] if is_same else [])]


_TERMS = ("tuned_score", "normalized_average_others", "normalized_average", "ap")


def published_table(numbers: Numbers, options: Options) -> TableSpec:
    """Tables 3 and 4 of the ProMoT paper, with the averages recomputed from their rows."""
    rows = published()
    shots = sorted(set(rows["n_shots"]))
    found = []
    for (table, model, tuned), own in rows.groupby(["table", "model", "tuned_task"], sort=False):
        block = {"block": f"{model} tuned on {tuned} (Table {table})", "is_average": False}
        for task, of_task in own.groupby("eval_task", sort=False):
            values = {
                f"{method} {n}": score
                for method, n, score in zip(
                    of_task["method"], of_task["n_shots"], of_task["score"], strict=True
                )
            }
            found.append({**block, "eval_task": task, **values})
        means = {
            f"{row['method']} {n}": row["normalized_average"]
            for n in shots
            for row in published_averages(n).to_dict("records")
            if row["table"] == table
        }
        found.append({**block, "eval_task": "normalized average", "is_average": True, **means})
    return TableSpec(
        name="published_promot",
        columns=(
            Column("eval_task", "Evaluated task"),
            *(
                Column(f"{method} {n}", _HEADS[method], f"{n}-shot", kind="number")
                for n in shots
                for method in PUBLISHED_METHODS
            ),
        ),
        rows=pd.DataFrame(found),
        caption=Caption(
            shows="Scores of ProMoT and plain fine-tuning on tasks that were not tuned,"
            f" {MARK} ({SOURCE})",
            n={"evaluated tasks": int(rows["eval_task"].nunique())},
            terms=("published_score",),
        ),
        notes=(
            f"{MARK.capitalize()}: not measured here, and not to be compared in size with scores"
            " of other models and tasks.",
            "Normalized average: recomputed from the rows above it.",
        ),
        blocks="block",
        wide=True,
    )


def _is_of_methods(numbers: Numbers) -> bool:
    return numbers.compared.is_of_methods


def _are_several(numbers: Numbers) -> bool:
    return numbers.compared.are_several


def _has_comparison(numbers: Numbers) -> bool:
    return numbers.compared.has_comparison


def _has_promot(numbers: Numbers) -> bool:
    return numbers.compared.has_promot


def _has_outputs(numbers: Numbers) -> bool:
    return numbers.compared.has_outputs


_NEEDS = (
    "It compares methods: give runs of the same study with other methods, such as lora and promot"
)
METHOD_TABLES = (
    TableKind(
        "methods",
        "Methods",
        "Tuned score, normalized average and difference to the base model of every method.",
        ANY,
        (),
        methods_table,
        once,
        ("wang2024promot", "student1908"),
        _is_of_methods,
        f"{_NEEDS}.",
    ),
    TableKind(
        "method_differences",
        "Methods against one",
        "Paired differences to plain fine-tuning, outcome by outcome.",
        ANY,
        (),
        differences_table,
        once,
        ("wang2024promot", "student1908"),
        _are_several,
        f"{_NEEDS}.",
    ),
    TableKind(
        "comparison",
        "All against plain LoRA",
        "Every policy with every method against plain LoRA with the original prompt: differences,"
        " seed spread, cost.",
        ANY,
        (),
        comparison_table,
        once,
        ("hu2022lora", "student1908", "holm1979"),
        _has_comparison,
        f"{_NEEDS}.",
    ),
    TableKind(
        "published_promot",
        "ProMoT as published",
        "Tables 3 and 4 of the ProMoT paper, measured on other models.",
        ANY,
        (),
        published_table,
        once,
        ("wang2024promot",),
        _has_promot,
        "It stands beside runs of ProMoT; none of these is one.",
    ),
    TableKind(
        "outputs_side_by_side",
        "Outputs side by side",
        "What the base model and every method answer to the same inputs.",
        ANY,
        ("task",),
        outputs_table,
        once,
        ("wang2024promot",),
        _has_outputs,
        f"{_NEEDS}, that kept outputs (evaluation.n_predictions_kept).",
    ),
)
