"""Paraphrase studies side by side: r within tasks, one row per run. They are never pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import counted, in_short, signed, symbol
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of, known_terms
from sapo_analysis.figures.estimates_told import HOW, on_axis, p_of, role_told, shaded
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
from sapo_analysis.figures.task_forest import SIDE

Pair = tuple[Estimate, Estimate]
"""The mean over one run's tasks, with the interval for new tasks and with that for these tasks."""


def runs_forest(
    runs: Mapping[str, Pair], *, predicted: int = 0, unfinished: frozenset[str] = frozenset()
) -> FigureSpec:
    """The within-task correlation of each run with both intervals, in the order given.

    Args:
        runs: by the name to show, `within_task_correlation(...)` in both scopes, new tasks first.
        predicted: sign that the published claims predict (0: none); that half is shaded.
        unfinished: runs whose numbers are not final; their points are hollow.

    Raises:
        InputError: no run, or something other than such estimates.
    """
    _check(runs)
    heights = {name: float(len(runs) - 1 - i) for i, name in enumerate(runs)}
    layers: list[Layer] = []
    if predicted:
        low, high = (0.0, 1.0) if predicted > 0 else (-1.0, 0.0)
        layers.append(Span("x", low, high, theme.SKY, 0.13, label=SIDE, part="predicted"))
    for name, (new, these) in runs.items():
        y = heights[name]
        layers += scope_bars(y, (new.lower, new.upper), (these.lower, these.upper))
        if math.isnan(new.value):
            layers.append(Note(0.02, y, "no correlation: too few prompts so far"))
        else:
            hollow = name in unfinished
            words = f"{name}\n{_words(new)}\n{_words(these)}\n{new.n_tasks} tasks"
            layers.append(
                Points((new.value,), (y,), theme.VERMILION, "diamond", 11.0, hollow, hover=(words,))
            )
    first = next(iter(runs.values()))[0]
    panel = Panel(
        layers=tuple(layers),
        x_label=f"{on_axis(first)} within tasks, mean over tasks",
        y_label="",
        x_range=(-1.05, 1.05),
        y_range=(-0.7, len(runs) - 0.3),
        x_zero=True,
        y_ticks=Ticks(tuple(heights.values()), tuple(heights)),
    )
    rows = [{"run": name, **asdict(e)} for name, pair in runs.items() for e in pair]
    values = ", ".join(f"{name} {signed(new.value)}" for name, (new, _) in runs.items())
    return FigureSpec(
        name=f"runs_forest_{first.y}_{first.role or 'all'}",
        panels=(panel,),
        table=pd.DataFrame(rows),
        caption=_caption(runs, predicted, unfinished),
        alt=f"Forest plot of r within tasks by run: {values}.",
        height=150 + 40 * len(runs),
        aspect=0.5,
    )


def _caption(runs: Mapping[str, Pair], predicted: int, unfinished: frozenset[str]) -> Caption:
    first = next(iter(runs.values()))[0]
    marks: list[str | Of] = ["diamond: the mean over the tasks of a run", Of("intervals", BARS)]
    if predicted:
        marks.append(Of("predicted", shaded(predicted)))
    if unfinished & set(runs):
        marks.append("hollow: the run is not finished")
    return Caption(
        shows=f"{symbol(first)} within tasks of {indicator_name(first.x)} and"
        f" {entry(first.y).label}{role_told(first.role)}, mean over tasks, one row per run; runs"
        " are not pooled",
        n={"runs": len(runs)},
        statistics=tuple(
            f"{name}: {in_short(new)}, {p_of(new)}, {counted(new.n_tasks, 'task')}"
            for name, (new, _) in runs.items()
        ),
        interval="; ".join(HOW.values()),
        marks=tuple(marks),
        terms=known_terms(first.x, first.y),
    )


def _words(e: Estimate) -> str:
    scope = "new" if e.scope == "new_tasks" else "these"
    known = not math.isnan(e.lower)
    bounds = f"{signed(e.lower)} to {signed(e.upper)}" if known else "no interval"
    return f"{scope} tasks: {symbol(e)} = {signed(e.value)} ({bounds})"


def _check(runs: Mapping[str, Pair]) -> None:
    if not runs:
        raise InputError("No run was given. Name at least one paraphrase study.")
    for pair in runs.values():
        scopes = [e.scope if isinstance(e, Estimate) else None for e in pair]
        if scopes != ["new_tasks", "these_tasks"] or any(e.level != "within_task" for e in pair):
            raise InputError(
                "A row is the mean over one run's tasks in both scopes, new tasks first."
                " Make it with within_task_correlation()."
            )
