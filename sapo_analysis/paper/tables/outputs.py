"""What the base model and every method answer to the same inputs, where methods differ most."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.method_marks import words
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

SHOWN = 12
"""Rows of the table."""
OF_A_TASK = 3
"""Rows of one evaluated task, at most."""
_FOR_INPUTS = 0.24
_FOR_ANSWERS = 0.58
"""Shares of the line that inputs and all answers have together."""


def outputs_table(numbers: Numbers, options: Options) -> TableSpec:
    """A row per input of another task than the tuned one, a column per method.

    Shown are inputs at which some output is in the tuned task's format and the right answer is not,
    those with the most such outputs first; then others at which methods answer differently.

    Raises:
        InputError: no such task was tuned, or none of the methods answers differently.
    """
    outputs = numbers.compared.outputs(options.task)
    tuned = str(outputs["tuned_task"].iloc[0])
    names = list(dict.fromkeys(outputs["name"]))
    rows = _rows(outputs[outputs["eval_task"] != tuned], names)
    if rows.empty:
        raise InputError(f"No kept output of fine-tunes on {tuned} differs between the methods.")
    width = _FOR_ANSWERS / (len(names) + 1)
    first = outputs.iloc[0]
    shown = f"training prompt {first['prompt_id']}, seed {first['seed']}"
    return TableSpec(
        name="outputs_side_by_side",
        columns=(
            Column("eval_task", "Task"),
            Column("input", "Input", width=_FOR_INPUTS),
            Column("gold", "Right answer", width=width),
            *(
                Column(
                    *(f"output {name}", words(name)),
                    mark="†",
                    marked=f"in format {name}",
                    width=width,
                )
                for name in names
            ),
        ),
        rows=rows,
        caption=Caption(
            shows="What the base model and the fine-tunes of each method answer to the same inputs"
            f" of other tasks, tuned on {tuned} ({shown})",
            n={"inputs": len(rows)},
            terms=("in_format",),
        ),
        notes=(
            "†: in the tuned task's format, which the right answer is not.",
            "Chosen: inputs with such outputs first, then those with different outputs; at most"
            f" {OF_A_TASK} of a task.",
            *standing(numbers),
        ),
        wide=True,
    )


def _rows(others: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    key = ["eval_task", "example"]
    flagged = others["in_format"].eq(True) & ~others["gold_in_format"].eq(True)
    own = others.assign(flagged=flagged)
    answers = own.pivot(index=key, columns="name", values="output")
    marks = own.pivot(index=key, columns="name", values="flagged")
    table = own.drop_duplicates(key).set_index(key)[["input", "gold"]]
    for name in names:
        table[f"output {name}"], table[f"in format {name}"] = answers[name], marks[name]
    table["n_in_format"] = marks[names].sum(axis=1)
    table = table[(answers[names].nunique(axis=1) > 1) | (table["n_in_format"] > 0)]
    best = table.sort_values("n_in_format", ascending=False, kind="stable").reset_index()
    return best.groupby("eval_task", sort=False).head(OF_A_TASK).head(SHOWN).reset_index(drop=True)
