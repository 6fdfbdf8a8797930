"""The correlation of an indicator with each outcome, task by task and over tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.figures import Outcome
from sapo_analysis.figures.caption import Caption, known_terms
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

SYMBOLS = {"pearson": "r", "spearman": "ρ"}
LONGEST = 16
"""Characters of a task's name that have room."""
_MEANS = {"these_tasks": "for these tasks", "new_tasks": "for new tasks"}


def correlations_table(numbers: ParaphraseNumbers, options: Options) -> TableSpec:
    """A row per current task and one per mean over tasks; a group of columns per outcome.

    Raises:
        InputError: the runs measured no such outcome.
    """
    outcomes = outcomes_asked(numbers, options)
    columns = [Column("name", "Task")]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    every: list[Estimate] = []
    for outcome in outcomes:
        asked = replace(options, outcome=outcome.name)
        estimates = [*numbers.tasks(asked), *reversed(numbers.means(asked))]
        every += estimates
        for e in estimates:
            block, name = ("Tasks", e.task) if e.task else ("Mean over tasks", _MEANS[e.scope])
            row = found.setdefault(
                (block, str(name)), {"block": block, "task": e.task, "name": name}
            )
            row |= {
                outcome.name: e.value,
                f"{outcome.name}_lower": e.lower,
                f"{outcome.name}_upper": e.upper,
                # It speaks of the tasks that were shuffled: the row of new tasks has none.
                f"{outcome.name}_p": math.nan if e.scope == "new_tasks" else e.p,
                f"{outcome.name}_n_tasks": e.n_tasks,
                f"{outcome.name}_n_prompts": e.n_prompts,
                f"{outcome.name}_n_seeds": e.n_seeds,
            }
        head = f"{SYMBOLS[options.statistic]} [95 %]"
        columns += [
            Column(outcome.name, head, outcome.label, kind="estimate", signed=True),
            Column(f"{outcome.name}_p", "p", outcome.label, kind="p"),
        ]
    numbered = _numbered(found.values())
    in_order = sorted(found.values(), key=lambda row: bool(row["block"] != "Tasks"))
    what = "Pearson's r" if options.statistic == "pearson" else "Spearman's ρ"
    return TableSpec(
        name="correlations",
        columns=tuple(columns),
        rows=pd.DataFrame(in_order),
        caption=Caption(
            shows=f"{what} over prompts of {indicator_name(options.x)} with each outcome in"
            f" {options.form} form, within each current task and as the mean of Fisher's z over"
            " tasks",
            n={
                "tasks": max(e.n_tasks for e in every),
                "prompts": min(e.n_prompts for e in every),
                "seeds": min(e.n_seeds for e in every),
            },
            interval="95 %; of one task by Fisher's z over its prompts, of the mean for these tasks"
            " over the prompts of each task, for new tasks Student t over tasks",
            terms=known_terms(options.x, *(o.column(options.form) for o in outcomes)),
        ),
        notes=(
            "p: two-sided permutation test, prompts shuffled within task, uncorrected: of these"
            " tasks, new ones have none.",
            *_predictions(outcomes, options),
            *numbered,
            *standing(numbers),
        ),
        blocks="block",
        wide=True,
    )


def outcomes_asked(numbers: ParaphraseNumbers, options: Options) -> list[Outcome]:
    """The outcome that is asked for, or all that a claim speaks of.

    Raises:
        InputError: the runs measured no such outcome.
    """
    claimed = [outcome for outcome in numbers.outcomes if outcome.claim is not None]
    return [numbers.outcome(options)] if options.outcome or not claimed else claimed


def _numbered(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Numbers in the place of names that have no room, and what they stand for."""
    tasks = [row for row in rows if row["task"]]
    if max((len(row["task"]) for row in tasks), default=0) <= LONGEST:
        return []
    for i, row in enumerate(tasks, start=1):
        row["name"] = str(i)
    listed = ", ".join(f"{row['name']} {row['task']}" for row in tasks)
    return [f"Tasks: {listed}."]


def _predictions(outcomes: list[Outcome], options: Options) -> list[str]:
    if options.x != "pre_update_loss":
        return []
    known = [
        f"{side} 0 for {' and '.join(labels)}"
        for side, sign in (("above", 1), ("below", -1))
        if (labels := [o.label.lower() for o in outcomes if o.predicted == sign])
    ]
    return [f"The claims predict {', '.join(known)}."] if known else []
