"""The leader board of indicators."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.indicators.board import Board
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.estimates_told import role_told
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.paper.numbers import ParaphraseNumbers
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.tables.notes import standing
from sapo_analysis.paper.tables.spec import Column, TableSpec

LEVEL = 0.05


def indicators_table(numbers: ParaphraseNumbers, options: Options) -> TableSpec:
    """A row per indicator, strongest first, and what the best is worth on tasks left out.

    Raises:
        InputError: the runs did not measure the outcome.
    """
    board, outcome = numbers.board(options), numbers.outcome(options)
    named = indicator_name(board.x)
    rows = _rows(board, bool(numbers.silent))
    return TableSpec(
        name=f"indicators_{outcome.name}_{options.form}",
        columns=(
            Column("name", "Indicator", width=0.30),
            Column("r", "r", kind="number", signed=True),
            Column("p_adjusted", "p, all tried", kind="p"),
            Column(
                *("strength", "strength [95 %]"),
                kind="estimate",
                signed=True,
                better="high",
                mark="*",
                marked="differs",
            ),
            Column("difference", "difference", kind="number", signed=True),
            Column("difference_p_adjusted", "p, Holm", kind="p"),
        ),
        rows=rows,
        caption=Caption(
            shows="How well every indicator known before the update predicts"
            f" {entry(board.y).label}{role_told(board.role)} in {options.form} form, within tasks",
            n={
                "indicators": len(board.rows),
                "tasks": max(row.n_tasks for row in board.rows),
                "prompts": min(row.n_prompts for row in board.rows),
            },
            interval="95 % for new tasks, Student t over tasks, by both signs of r where the sign"
            " is in doubt",
            terms=("strength", "p_adjusted", outcome.column(options.form)),
        ),
        notes=(
            f"Bold: the largest strength, without the last row. Difference: strength minus that of"
            f" {named}, in Fisher's z; star: it is not 0, p < {LEVEL:g}, paired Student t over"
            " tasks, Holm corrected over the other indicators.",
            "p, all tried: permutation, prompts shuffled within task, corrected for the number"
            " tried (Westfall and Young).",
            *_winner_note(board),
            *standing(numbers),
        ),
        blocks="block",
        outside="is_chosen",
        wide=True,
    )


def _rows(board: Board, is_silent: bool) -> pd.DataFrame:
    table = board.table
    table["name"] = [indicator_name(row.indicator) for row in board.rows]
    table["differs"] = (table["difference_p_adjusted"] < LEVEL) & (not is_silent)
    table["is_chosen"], table["block"] = False, ""
    winner = board.winner
    if not math.isnan(winner.r):
        chosen = {
            "indicator": "",
            "name": "best, on tasks left out",
            "r": winner.r,
            "p": winner.p,
            "p_adjusted": winner.p,
            "strength": winner.r,
            "strength_lower": winner.lower,
            "strength_upper": winner.upper,
            "difference": winner.difference,
            "difference_lower": winner.difference_lower,
            "difference_upper": winner.difference_upper,
            "n_tasks": winner.n_tasks,
            "differs": False,
            "is_chosen": True,
            "block": "Chosen by the other tasks",
        }
        table = pd.concat([table, pd.DataFrame([chosen])], ignore_index=True)
    return table


def _winner_note(board: Board) -> list[str]:
    if math.isnan(board.winner.r):
        return [board.winner.note] if board.winner.note else []
    chosen = ", ".join(f"{indicator_name(name)} ({n})" for name, n in board.winner.chosen.items())
    return [
        "Last row: for each task the indicator that is best on all others, judged on it; p"
        f" one-sided. Chosen for so many tasks: {chosen}."
    ]
