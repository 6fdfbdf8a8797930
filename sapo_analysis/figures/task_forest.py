"""The forest: one row per task with its r and 95 % interval, and the mean over tasks below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import counted, in_short, sentence, signed, symbol
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of, known_terms
from sapo_analysis.figures.estimates_told import (
    OVER_PROMPTS,
    how_intervals,
    on_axis,
    role_told,
    sentences_on_means,
    shaded,
    span_of,
)
from sapo_analysis.figures.outcomes import indicator_name
from sapo_analysis.figures.scope_bars import BARS, scope_bars
from sapo_analysis.figures.spec import FigureSpec, Intervals, Layer, Panel, Points, Span, Ticks
from sapo_analysis.figures.task_names import beside_axis

POOLED = "all points pooled"
"""The row of the correlation that mixes differences between tasks with those between prompts."""
POOLED_AT = -1.3
SIDE = "side that the claim predicts"


def task_forest(
    tasks: Sequence[Estimate],
    means: Sequence[Estimate] = (),
    *,
    pooled: Estimate | None = None,
    predicted: int = 0,
    eval_task: str | None = None,
    highlight: str | None = None,
    hollow: bool = False,
) -> FigureSpec:
    """Correlation per current task, sorted, with the mean over tasks.

    Args:
        tasks: `task_correlations(...)`.
        means: `within_task_correlation(...)` for both scopes.
        pooled: `pooled_correlation(...)`: a row of its own at the bottom, hollow, as it mixes
            differences between tasks with those between prompts.
        predicted: Sign that the published claims predict (0: none); that half is shaded.
        eval_task: The one evaluated task that they are of; None: the mean of the role's tasks.
        highlight: The task to show in colour.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: something other than estimates of these kinds, or no task at all.
    """
    _check(tasks, means, pooled)
    rows = sorted(tasks, key=lambda e: e.value)
    n_means = 1 if means else 0
    heights = {str(e.task): i + n_means * 1.4 for i, e in enumerate(rows)}
    layers: list[Layer] = []
    if predicted:
        low, high = (0.0, 1.0) if predicted > 0 else (-1.0, 0.0)
        layers.append(Span("x", low, high, theme.SKY, 0.13, label=SIDE, part="predicted"))
    for e in rows:
        color = theme.BLUE if highlight in (None, e.task) else theme.GREY
        layers += _row(e, heights[str(e.task)], color, hollow)
    layers += _mean_row(means, hollow)
    layers += _pooled_row(pooled)
    labels = list(beside_axis(f"{e.task}" for e in rows))
    places = [heights[str(e.task)] for e in rows]
    if means:
        labels, places = ["mean", *labels], [0.0, *places]
    if pooled is not None:
        labels, places = [POOLED, *labels], [POOLED_AT, *places]
    panel = Panel(
        layers=tuple(layers),
        x_label=f"{on_axis(rows[0])} over prompts, 95 %",
        y_label="",
        x_range=(-1.05, 1.05),
        y_range=(-0.7 if pooled is None else POOLED_AT - 0.7, max(places) + 0.7),
        x_zero=True,
        y_ticks=Ticks(tuple(places), tuple(labels)),
    )
    return FigureSpec(
        name=f"task_forest_{rows[0].y}_{rows[0].role or 'all'}",
        panels=(panel,),
        table=pd.DataFrame([asdict(e) for e in (*rows, *means, *([pooled] if pooled else []))]),
        caption=_caption(rows, means, pooled, predicted, eval_task, hollow),
        alt=f"Forest plot of {symbol(rows[0])} per task: "
        + ", ".join(f"{e.task} {signed(e.value)}" for e in rows)
        + ".",
        height=470,
        aspect=0.9,
    )


def _row(e: Estimate, height: float, color: str, hollow: bool) -> list[Layer]:
    key = ((str(e.task),),)
    words = f"{e.task}\n{in_short(e)}\n{counted(e.n_prompts, 'prompt')}"
    return [
        Intervals((height,), (e.lower,), (e.upper,), color, 1.4, part="intervals"),
        Points((e.value,), (height,), color, "circle", 10.0, hollow, keys=key, hover=(words,)),
    ]


def _mean_row(means: Sequence[Estimate], hollow: bool) -> list[Layer]:
    """The mean with what is known of its intervals, in one scope or both."""
    ends = {e.scope: (e.lower, e.upper) for e in means}
    none = (math.nan, math.nan)
    layers = scope_bars(0.0, ends.get("new_tasks", none), ends.get("these_tasks"), whose="mean, ")
    if means and not math.isnan(means[0].value):
        words = "mean over tasks\n" + "\n".join(map(in_short, means))
        at = (means[0].value,), (0.0,)
        layers.append(Points(*at, theme.VERMILION, "diamond", 11.0, hollow, hover=(words,)))
    return layers


def _pooled_row(pooled: Estimate | None) -> list[Layer]:
    if pooled is None or math.isnan(pooled.value):
        return []
    words = f"all points: {in_short(pooled)}\nmixes differences between tasks and between prompts"
    at = (POOLED_AT,)
    return [
        Intervals(at, (pooled.lower,), (pooled.upper,), theme.GREY, 1.4, part="intervals"),
        Points((pooled.value,), at, theme.GREY, "diamond", 10.0, True, hover=(words,)),
    ]


def _caption(
    rows: Sequence[Estimate],
    means: Sequence[Estimate],
    pooled: Estimate | None,
    predicted: int,
    eval_task: str | None,
    hollow: bool,
) -> Caption:
    first = rows[0]
    marks: list[str | Of] = ["circles: single tasks, sorted"]
    if any(not math.isnan(e.value) for e in means):
        marks += ["diamond: the mean over tasks", Of("intervals", BARS)]
    statistics = [span_of(rows), *sentences_on_means(means)]
    if pooled is not None and not math.isnan(pooled.value):
        marks.append("hollow diamond: all points pooled, which mixes differences between tasks in")
        statistics.append(sentence(pooled))
    if predicted:
        marks.append(Of("predicted", shaded(predicted)))
    if hollow:
        marks.append("hollow circles: the study is not finished")
    how = [OVER_PROMPTS, how_intervals(means)]
    on = role_told(first.role) if eval_task is None else f" of {eval_task}"
    return Caption(
        shows=f"{symbol(first)} over the prompts of each current task, of"
        f" {indicator_name(first.x)} and {entry(first.y).label}{on}",
        n={
            "tasks": len(rows),
            "prompts": min(e.n_prompts for e in rows),
            "seeds": min(e.n_seeds for e in rows),
        },
        statistics=tuple(said for said in statistics if said),
        interval="; ".join(said for said in how if said),
        marks=tuple(marks),
        terms=known_terms(first.x, first.y),
    )


def _check(tasks: Sequence[Estimate], means: Sequence[Estimate], pooled: Estimate | None) -> None:
    if not all(isinstance(e, Estimate) and e.level == "task" for e in tasks):
        raise InputError(
            "A forest is drawn from estimates per task. Make them with task_correlations()."
        )
    if not all(isinstance(e, Estimate) and e.level == "within_task" for e in means):
        raise InputError(
            "The mean of a forest is an estimate over tasks."
            " Make it with within_task_correlation()."
        )
    if pooled is not None and not (isinstance(pooled, Estimate) and pooled.level == "pooled"):
        raise InputError(
            "The pooled row of a forest is one estimate. Make it with pooled_correlation()."
        )
    if not tasks:
        raise InputError("No task has a correlation to draw: each needs four prompts that differ.")
