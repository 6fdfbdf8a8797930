"""The leader board of indicators: one row per indicator, and the best as other tasks choose it."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.indicators.board import Board, IndicatorRow
from sapo_analysis.analysis.indicators.held_out import Winner
from sapo_analysis.analysis.wording import counted, p_value, signed
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of, known_terms
from sapo_analysis.figures.estimates_told import HOW, role_told, shaded
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.figures.scope_bars import BARS, scope_bars
from sapo_analysis.figures.spec import (
    FigureSpec,
    Layer,
    Note,
    Panel,
    Points,
    Span,
    Ticks,
)

CHOSEN = "strength of the best, on tasks left out"
"""The row of the winner: its r is above 0 where the sign that other tasks give it holds."""
MANY = 8
"""Indicators beyond which their names take a page's full width: in a column a row has two lines."""


def indicator_forest(board: Board, *, hollow: bool = False) -> FigureSpec:
    """The within-task correlation of each indicator with both intervals, strongest on top.

    Below them stands what the best is worth on tasks that it was not chosen on, with its interval
    for new tasks. The half that the claims predict for the indicator named beforehand is shaded.

    Args:
        board: `indicator_board(...)`.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something other than a board.
    """
    if not isinstance(board, Board):
        raise InputError("A leader board is drawn from a Board. Make it with indicator_board().")
    has_winner = not math.isnan(board.winner.r)
    lowest = 1.4 if has_winner else 0.0
    places = [lowest + len(board.rows) - 1 - i for i in range(len(board.rows))]
    labels = [indicator_name(row.indicator) for row in board.rows]
    layers: list[Layer] = []
    if board.predicted:
        low, high = (0.0, 1.0) if board.predicted > 0 else (-1.0, 0.0)
        of_x = f"side predicted for {indicator_name(board.x)}"
        layers.append(Span("x", low, high, theme.SKY, 0.13, label=of_x, part="predicted"))
    for row, y in zip(board.rows, places, strict=True):
        layers += _row(row, y, row.indicator == board.x, hollow)
    table = board.table
    if has_winner:
        layers += _chosen(board.winner, hollow)
        places, labels = [*places, 0.0], [*labels, CHOSEN]
        table = pd.concat([table, _as_row(board.winner)], ignore_index=True)
    panel = Panel(
        layers=tuple(layers),
        x_label="Pearson r within tasks, mean over tasks",
        y_label="",
        x_range=(-1.05, 1.05),
        y_range=(-0.7, max(places) + 0.7),
        x_zero=True,
        y_ticks=Ticks(tuple(places), tuple(labels)),
    )
    values = ", ".join(f"{indicator_name(row.indicator)} {signed(row.r)}" for row in board.rows)
    of_best = f"; {CHOSEN} {signed(board.winner.r)}" if has_winner else ""
    return FigureSpec(
        name=f"indicator_forest_{board.y}_{board.role or 'all'}",
        panels=(panel,),
        table=table,
        caption=_caption(board, has_winner, hollow),
        alt=f"Forest plot of r within tasks by indicator: {values}{of_best}.",
        height=160 + 34 * len(places),
        aspect=0.22 + 0.035 * len(places),
        wide=len(places) > MANY,
    )


def _caption(board: Board, has_winner: bool, hollow: bool) -> Caption:
    known = [row for row in board.rows if not math.isnan(row.r)]
    statistics = [_said(row) for row in known[:1]]
    statistics += [_said(row) for row in known[1:] if row.indicator == board.x]
    if any(not math.isnan(row.p_adjusted) for row in known):
        statistics.append(
            f"adjusted p: for the {len(board.rows)} tried (Westfall and Young), two-sided,"
            " prompts shuffled within task, so of these tasks"
        )
    marks: list[str | Of] = [Of("intervals", BARS)]
    if any(row.indicator == board.x for row in known):
        marks.append(f"diamond: {indicator_name(board.x)}, named beforehand")
    if has_winner:
        best = board.winner
        marks.append("square: the best indicator, each task's chosen and signed by the other tasks")
        ends = f"95 % for new tasks: {_ends(best.lower, best.upper)}"
        p = p_value(best.p) + " (one-sided, these tasks)" * (not math.isnan(best.p))
        statistics.append(f"{CHOSEN}: r = {signed(best.r)} ({ends}), {p}")
    if board.predicted:
        of_x = f"{shaded(board.predicted)}, for {indicator_name(board.x)}"
        marks.append(Of("predicted", of_x))
    if hollow:
        marks.append("hollow: the study is not finished")
    return Caption(
        shows="correlation within tasks of every indicator known before the update with"
        f" {entry(board.y).label}{role_told(board.role)}, mean over tasks, strongest on top",
        n={
            "indicators": len(board.rows),
            "tasks": max(row.n_tasks for row in board.rows),
            "prompts": min((row.n_prompts for row in known), default=0),
        },
        statistics=tuple(statistics),
        interval="; ".join(HOW.values()) if known else "",
        marks=tuple(marks),
        terms=known_terms(board.y, "strength"),
    )


def _said(row: IndicatorRow) -> str:
    ends = f"95 % for new tasks: {_ends(row.lower, row.upper)}"
    adjusted = p_value(row.p_adjusted) + " adjusted" * (not math.isnan(row.p_adjusted))
    return f"{indicator_name(row.indicator)}: r = {signed(row.r)} ({ends}), {adjusted}"


def _row(row: IndicatorRow, y: float, named: bool, hollow: bool) -> list[Layer]:
    if math.isnan(row.r):
        return [Note(0.02, y, "no correlation: no task has enough prompts that differ")]
    layers = scope_bars(y, (row.lower, row.upper), (row.these_lower, row.these_upper))
    color, marker = (theme.VERMILION, "diamond") if named else (theme.GREY, "circle")
    label = "named beforehand" if named else None
    words = "\n".join(
        (
            indicator_name(row.indicator),
            f"new tasks: r = {signed(row.r)} ({_ends(row.lower, row.upper)})",
            f"these tasks: {_ends(row.these_lower, row.these_upper)}",
            f"p adjusted for the number tried: {_p(row.p_adjusted)}",
            f"strength {signed(row.strength)} ({_ends(row.strength_lower, row.strength_upper)})",
            f"{counted(row.n_tasks, 'task')}, {counted(row.n_prompts, 'prompt')} each",
        )
    )
    key = ((row.indicator,),)
    layers.append(
        Points((row.r,), (y,), color, marker, 10.0, hollow, label=label, keys=key, hover=(words,))
    )
    return layers


def _chosen(winner: Winner, hollow: bool) -> list[Layer]:
    often = "\n".join(
        f"{indicator_name(name)}: {counted(n, 'task')}" for name, n in winner.chosen.items()
    )
    words = (
        f"{CHOSEN}: r = {signed(winner.r)} ({_ends(winner.lower, winner.upper)})\n"
        f"p of choosing: {_p(winner.p)}\nchosen for\n{often}"
    )
    return [
        *scope_bars(0.0, (winner.lower, winner.upper)),
        Points((winner.r,), (0.0,), theme.GREEN, "square", 10.0, hollow, hover=(words,)),
    ]


def _as_row(winner: Winner) -> pd.DataFrame:
    own = ("r", "lower", "upper", "p", "n_tasks")
    return pd.DataFrame([{"indicator": CHOSEN, **{name: getattr(winner, name) for name in own}}])


def _ends(lower: float, upper: float) -> str:
    return "no interval" if math.isnan(lower) else f"{signed(lower)} to {signed(upper)}"


def _p(p: float) -> str:
    return "–" if math.isnan(p) else f"{p:.2g}"
