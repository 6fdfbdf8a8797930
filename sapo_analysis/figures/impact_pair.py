"""One cell of the heat map as a scatter: the impact on one task against that on another."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sapo_analysis.analysis.between_tasks.cross_task import PAIR_COLUMNS
from sapo_analysis.analysis.glossary import DIRECTIONS, entry
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.scatter import centred, slope_band
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of, known_terms
from sapo_analysis.figures.scatter_layers import floats, ringed
from sapo_analysis.figures.spec import (
    Band,
    FigureSpec,
    Layer,
    Line,
    Panel,
    Points,
    require_columns,
)


def impact_pair(
    table: pd.DataFrame,
    task_i: str,
    task_j: str,
    form: str = "score",
    selected: Sequence[tuple[str, str]] = (),
    hollow: bool = False,
) -> FigureSpec:
    """A point per prompt; of several current tasks, each minus its task's mean.

    Args:
        table: `impact_pairs(df, task_i, task_j, ...)`.
        task_i: The task on the horizontal axis.
        task_j: The task on the vertical axis.
        form: `score` or `loss`, as in the table.
        selected: (task, prompt_id) of points that get a ring.
        hollow: Draw hollow points: the numbers are not final.

    Raises:
        InputError: another table, or one without points.
    """
    require_columns(table, tuple(PAIR_COLUMNS), f"impact_pairs(df, {task_i!r}, {task_j!r})")
    if table.empty:
        raise InputError(f"No prompt was measured on both {task_i!r} and {task_j!r}.")
    tasks = sorted(map(str, table["current_task"].unique()))
    several = len(tasks) > 1
    x, y = "impact_i", "impact_j"
    moved = centred(table, [x, y], "current_task") if several else table
    layers: list[Layer] = []
    band = slope_band(moved, x, y, groups=len(tasks) if several else 0)
    if band is not None:
        label = "within-task slope, 95 %" if several else "slope, 95 %"
        layers += [
            Band(band.x, band.lower, band.upper, theme.NEUTRAL, 0.28, part="slope"),
            Line(band.x, band.y, theme.NEUTRAL, 1.8, label=label, part="slope"),
        ]
    colors, shapes = theme.colors(tasks), theme.markers(tasks)
    named = len(tasks) <= theme.MAX_COLOURED_GROUPS
    for name, part in moved.groupby("current_task", sort=True):
        task = str(name)
        layers.append(
            Points(
                x=floats(part[x]),
                y=floats(part[y]),
                color=colors[task],
                marker=shapes[task],
                hollow=hollow,
                opacity=0.9,
                label=task if named else None,
                keys=tuple((task, str(prompt)) for prompt in part["prompt_id"]),
                hover=tuple(
                    f"{row.prompt_id} · {task}\n{task_i}: {row.impact_i:+.3g}"
                    f"\n{task_j}: {row.impact_j:+.3g}"
                    for row in table.loc[part.index].itertuples()
                ),
            )
        )
    term = entry(in_form("impact", form))
    minus = " minus the task's mean" if several else ""
    panel = Panel(
        layers=tuple(layers),
        x_label=f"impact on {task_i}{minus}\n({term.unit}, {DIRECTIONS[term.better]})",
        y_label=f"impact on {task_j}{minus}\n({term.unit}, {DIRECTIONS[term.better]})",
        x_zero=True,
        y_zero=True,
    )
    spec = FigureSpec(
        name=f"impact_pair_{task_i}_{task_j}_{form}",
        panels=(panel,),
        table=table,
        caption=Caption(
            shows=f"impact on {task_i} against impact on {task_j}: a point is a prompt"
            + (", both minus their mean in the task of the prompt" if several else ""),
            n={"current tasks": len(tasks), "points": len(table)},
            marks=_marks(band is not None, hollow),
            terms=known_terms(in_form("impact", form)),
        ),
        alt=f"Scatter of the impact on {task_i} against that on {task_j}: {len(table)} prompts.",
        height=430,
        aspect=0.8,
    )
    return ringed(spec, selected)


def _marks(has_slope: bool, hollow: bool) -> tuple[str | Of, ...]:
    slope = "line and band: least-squares slope with the 95 % band of its mean"
    return (
        *((Of("slope", slope),) * has_slope),
        *(("hollow: the study is not finished",) * hollow),
    )
