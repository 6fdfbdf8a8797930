"""Every training prompt with its pre-update loss and what training with it did."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from sapo_analysis.analysis.prompt_means import SD_UNIT
from sapo_analysis.analysis.scatter import marked_prompts
from sapo_analysis.errors import unknown
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.correlations import outcomes_asked
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

LOSS = "pre_update_loss"
_SD = "sd over prompts"
_HEADS = {
    "forgetting_past": "forg. past",
    "forgetting_retained": "forg. ret.",
    "generalization": "general.",
    "in_task": "in-task",
}
_TOLD = (
    Column("text", "Text", width=0.42),
    Column("source", "source"),
    Column("n_tokens", "tokens", kind="integer"),
)


def prompts_table(numbers: ParaphraseNumbers, options: Options) -> TableSpec:
    """A row per prompt of one current task, or of all of them in a block each.

    Raises:
        InputError: no such current task, or the runs measured no such outcome.
    """
    outcomes = outcomes_asked(numbers, options)
    points = [numbers.points(replace(options, outcome=o.name, x=LOSS)) for o in outcomes]
    rows = _about(points[0], numbers.prompts)
    columns = [
        Column("name", "Prompt", mark="†", marked="is_pick"),
        *(column for column in _TOLD if rows[column.key].notna().any()),  # not of imported ones
        Column(LOSS, "loss", kind="number", unit="nats per token"),
    ]
    scaled: dict[str, list[bool]] = {}
    for outcome, own in zip(outcomes, points, strict=True):
        y = outcome.column(options.form)
        values = own.set_index(["current_task", "prompt_id"])[y].rename(outcome.name)
        rows = rows.join(values, on=["current_task", "prompt_id"])
        scaled.setdefault(y, []).append(bool((own["unit"] == SD_UNIT).any()))
        unit = _SD if scaled[y][-1] else str(own["unit"].iloc[0])
        columns.append(Column(outcome.name, _HEADS[outcome.name], kind="number", unit=unit))
    tasks = list(dict.fromkeys(rows["current_task"]))
    if options.task:
        if options.task not in tasks:
            raise unknown("current task of these runs", options.task, tasks)
        rows = rows[rows["current_task"] == options.task].reset_index(drop=True)
    return TableSpec(
        name=f"prompts_{options.task}" if options.task else "prompts",
        columns=tuple(columns),
        rows=rows,
        caption=Caption(
            shows=f"The training prompts of {options.task or 'every current task'}: text, source,"
            f" length, pre-update loss and, in {options.form} form, what training with each did,"
            " means over evaluated tasks and seeds",
            n={
                "tasks": 1 if options.task else len(tasks),
                "prompts": int(rows.groupby("current_task").size().min()),
                "seeds": int(rows["n_seeds"].min()),
            },
            terms=(LOSS, *(o.column(options.form) for o in outcomes)),
            units={y: _SD for y, each in scaled.items() if all(each)},
        ),
        notes=(
            "Prompt: its id, without its task's name.",
            "†: SAPO's pick, the prompt of its task with the lowest pre-update loss.",
            *standing(numbers),
        ),
        blocks="" if options.task else "current_task",
        wide=True,
        long=not options.task,
    )


def _about(points: pd.DataFrame, prompts: pd.DataFrame) -> pd.DataFrame:
    """What is known of every prompt before training, and whether it has its task's lowest loss."""
    about = prompts.rename(columns={"task": "current_task"})
    own = points[["current_task", "prompt_id", LOSS, "n_seeds"]]
    rows = own.merge(about, on=["current_task", "prompt_id"], how="left")
    rows["name"] = [
        prompt.removeprefix(f"{task}-")
        for task, prompt in zip(rows["current_task"], rows["prompt_id"], strict=True)
    ]
    marked = marked_prompts(rows, prompts, LOSS, lower_is_better=True)
    picks = marked[marked["mark"] == "sapo"]
    keys = set(zip(picks["current_task"], picks["prompt_id"], strict=True))
    rows["is_pick"] = [
        key in keys for key in zip(rows["current_task"], rows["prompt_id"], strict=True)
    ]
    return rows.sort_values(["current_task", LOSS], kind="stable", ignore_index=True)
