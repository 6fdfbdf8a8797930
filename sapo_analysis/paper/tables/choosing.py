"""What choosing the prompts cost each strategy, and how far it was from the lowest loss."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.paper.numbers import SequenceNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec
from sapo_analysis.paper.tables.task_scores import heads_of


def choices_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """A row per strategy that chooses, a column per task: the prompt it chose most often.

    Raises:
        InputError: no chain has learned all its tasks, or no strategy has a choice.
    """
    report = numbers.report
    if not report["chosen"]:
        raise InputError("No strategy that chooses its prompts has learned all its tasks yet.")
    tasks = list(dict.fromkeys(str(one["task"]) for one in report["chosen"]))
    rows: dict[str, dict[str, Any]] = {}
    for one in report["chosen"]:
        policy, _, method = one["strategy"].partition("+")
        about = {"block": METHOD_WORDS[method], "policy": policy, "strategy": one["strategy"]}
        task, most = str(one["task"]), one["most"]
        times = one["prompts"][most]
        rows.setdefault(one["strategy"], about).update(
            {
                f"shown {task}": f"{most.removeprefix(f'{task}-')} ({times}/{one['n']})",
                f"most {task}": most,
                f"times {task}": times,
                f"n {task}": one["n"],
            }
        )
    heads, note = heads_of(tasks)
    width = min(0.16, 0.82 / len(tasks))
    return TableSpec(
        name="choices",
        columns=(
            Column("policy", "Policy"),
            *(
                Column(f"shown {t}", head, width=width)
                for t, head in zip(tasks, heads, strict=True)
            ),
        ),
        rows=pd.DataFrame(list(rows.values())),
        caption=Caption(
            shows="The prompt that each strategy chose most often for each task, over orders and"
            " seeds",
            n=_n(report),
        ),
        notes=(
            "The prompt's id without its task's name; in brackets how often it was chosen, of how"
            " many times the task was learned.",
            *note,
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
    )


def choosing_table(numbers: SequenceNumbers, options: Options) -> TableSpec:
    """A row per strategy: texts read to choose, shares of choosing, prompts chosen, regret.

    Raises:
        InputError: no chain has learned all its tasks.
    """
    report = numbers.report
    if not report["cost"]:
        raise InputError(
            "No chain has learned all its tasks yet: what choosing costs is not known."
        )
    regret = {row["strategy"]: row for row in report["regret"]}
    rows = []
    for cost in report["cost"]:
        policy, _, method = cost["strategy"].partition("+")
        lost = regret.get(cost["strategy"], {})
        rows.append(
            {
                "block": METHOD_WORDS[method],
                "policy": policy,
                **cost,
                "regret": lost.get("mean"),
                "largest_regret": lost.get("largest"),
                "n_stages": lost.get("n_stages"),
            }
        )
    table = pd.DataFrame(rows)
    numeric = table.columns.difference(["block", "policy", "strategy"])
    table[numeric] = table[numeric].astype(float)
    return TableSpec(
        name="choosing",
        columns=(
            Column("policy", "Policy"),
            Column("choice_examples", "texts read", kind="integer"),
            Column("share", "time", "share of choosing", kind="number"),
            Column("share_of_texts", "texts", "share of choosing", kind="number"),
            Column("regret", "regret", kind="number", decimals=3, unit="nats per token"),
        ),
        rows=table,
        caption=Caption(
            shows="What choosing the training prompts costs a sequence, beside its training, and"
            " how far the chosen prompt is from the lowest loss",
            n=_n(report),
            terms=("choice_examples", "share", "share_of_texts", "regret"),
        ),
        notes=(
            "Shares: of choosing in choosing and training, 0 to 1, by time and by texts. Regret:"
            " mean over the stages where it is known.",
            *standing(numbers),
        ),
        blocks="block",
    )


def _n(report: dict[str, Any]) -> dict[str, int]:
    return {name: len(report[name]) for name in ("tasks", "orders", "seeds")}
