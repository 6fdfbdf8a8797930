"""What the report says of sequence studies: the headline, what is known of strategies, prompts."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.analysis.sequences import sizes_in_words
from sapo_analysis.analysis.wording import counted
from sapo_analysis.paper.html.chips import Badge, of_contrast
from sapo_analysis.paper.html.head import Head, about, made_with, states
from sapo_analysis.paper.html.table import Cell, Column, Table, column, number, table
from sapo_analysis.paper.numbers import SequenceNumbers

QUESTION = "What is choosing the training prompt worth when tasks are learned one after another?"
TERMS = ("ap", "bwt", "fwt", "difference", "regret")
"""Of the glossary, that the text rests on."""
NOTHING_YET = "No stage of these runs has ended yet: there is nothing to show."


def head(numbers: SequenceNumbers) -> Head:
    """The top of the page; while nothing was measured it says so."""
    runs, found = numbers.runs, numbers.report
    primary, silent = found["primary"], numbers.silent
    if primary:
        headline = primary["sentence"]
    else:
        headline = found["no_primary"] if found["summary"] or not silent else NOTHING_YET
    verdict = primary["verdict"] if primary else None
    n_orders, n_seeds = len(found["orders"]), len(found["seeds"])
    over = "orders" if n_orders > 1 else "the seeds of one order"
    sizes = f"{counted(len(found['tasks']), 'task')} · {counted(n_orders, 'order')}"
    if not runs[0].is_imported:
        sizes += f" · {counted(n_seeds, 'seed')}"
    strategies = Badge(f"{len(found['strategies'])} strategies", ", ".join(found["strategies"]))
    return Head(
        QUESTION,
        headline,
        (of_contrast(verdict),) if verdict else (),
        tuple(row["sentence"] for row in found["state_adaptive"]),
        f"{made_with(runs[0])} {sizes_in_words(found)} · intervals over {over}."
        " Not other tasks, not other models.",
        (Badge(sizes), strategies, *states(runs)),
        about(runs),
        tuple(dict.fromkeys(filter(None, (silent, *found["warnings"])))),
    )


def prompts(numbers: SequenceNumbers) -> Table:
    """Every prompt with its text, and by which strategies it was chosen how often."""
    known = pd.concat([run.table("prompts") for run in numbers.runs], ignore_index=True)
    known = known.drop_duplicates(["task", "prompt_id"], ignore_index=True)
    chosen: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in numbers.report["chosen"]:
        for prompt, times in row["prompts"].items():
            chosen.setdefault((row["task"], prompt), []).append((row["strategy"], times))
    rows = []
    for row in known.to_dict("records"):
        by = chosen.get((row["task"], row["prompt_id"]), [])
        rows.append(
            [
                *(Cell(row["task"]), Cell(row["prompt_id"]), Cell(row["text"])),
                Cell("test only" if row["test_only"] else str(row["source"])),
                number(float(sum(times for _, times in by)), 0),
                Cell(", ".join(f"{strategy} {times}" for strategy, times in by)),
            ]
        )
    columns = [
        *(column("task"), column("prompt_id"), column("text"), column("source")),
        Column("times chosen", "By all strategies, over orders and seeds.", is_number=True),
        Column("chosen by", "Strategies with how often each chose it."),
    ]
    return table(
        "prompts",
        "Every prompt",
        columns,
        rows,
        "Counted in chains that learned all tasks; strategies with nothing to choose are left out.",
        is_searched=True,
    )
