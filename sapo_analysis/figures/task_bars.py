"""What training on one prompt did to every evaluated task: bars of after minus before."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, known_terms
from sapo_analysis.figures.spec import (
    Bars,
    FigureSpec,
    Layer,
    Note,
    Panel,
    Ticks,
    require_columns,
)
from sapo_analysis.figures.task_names import beside_axis

ROLE_COLORS = {
    "current": theme.GREY,
    "past": theme.BLUE,
    "unseen": theme.ORANGE,
    "retained": theme.SKY,
}
COLUMNS = ("eval_task", "role", "score_before", "score_after", "score_change", "loss_change")


def task_bars(
    table: pd.DataFrame, form: str = "score", limits: tuple[float, float] | None = None
) -> FigureSpec:
    """Change per evaluated task, the current task first, then by role.

    Args:
        table: `task_changes(df, current_task, prompt_id)`.
        form: `score` or `loss`.
        limits: Ends of the axis, to draw several prompts on one scale.

    Raises:
        InputError: a table of another kind.
    """
    require_columns(table, COLUMNS, "task_changes(df, current_task, prompt_id)")
    column = "score_change" if form == "score" else "loss_change"
    unit = "points, up is better" if form == "score" else "nats per token, down is better"
    heights = {task: float(len(table) - 1 - i) for i, task in enumerate(table["eval_task"])}
    changes = table[column].to_numpy(dtype=float)
    ends = limits or (min(0.0, *changes), max(0.0, *changes))
    layers: list[Layer] = []
    for role, part in table.groupby("role", sort=False):
        hover = tuple(
            f"{row.eval_task} ({row.role})\n{row.score_before:.1f} → {row.score_after:.1f} points"
            f"\nloss {row.loss_before:.3f} → {row.loss_after:.3f} nats per token"
            for row in part.itertuples()
        )
        layers.append(
            Bars(
                y=tuple(heights[task] for task in part["eval_task"]),
                x=tuple(float(value) for value in part[column]),
                color=ROLE_COLORS.get(str(role), theme.GREY),
                hover=hover,
            )
        )
        layers.append(_role(str(role), part.iloc[0], column, heights, ends))
    panel = Panel(
        layers=tuple(layers),
        x_label=f"after − before ({unit})",
        y_label="",
        x_range=limits,
        y_range=(-0.6, len(table) - 0.4),
        x_zero=True,
        y_ticks=Ticks(tuple(heights.values()), beside_axis(heights)),
    )
    values = ", ".join(
        f"{task} {value:+.2f}"
        for task, value in zip(table["eval_task"], table[column], strict=True)
    )
    return FigureSpec(
        name="task_bars",
        panels=(panel,),
        table=table,
        caption=Caption(
            shows="what training on one prompt changed on every evaluated task: after − before,"
            f" in {unit.split(',')[0]}",
            n={"evaluated tasks": len(table)},
            marks=("the role of the tasks stands beside the first bar of each",),
            terms=known_terms(column),
        ),
        alt=f"Change per evaluated task ({unit}): {values}.",
        height=70 + 26 * len(table),
        aspect=0.5,
        legend=False,
    )


def _role(
    role: str,
    first: pd.Series[Any],
    column: str,
    heights: dict[str, float],
    ends: tuple[float, float],
) -> Note:
    """The role beside its first bar, where that is not: a legend would tell by colours alone."""
    is_long = first[column] > 0.4 * ends[1]
    height = heights[str(first["eval_task"])]
    at, side = (ends[0], "left") if is_long else (ends[1], "right")
    return Note(at, height, role, side, 4.0)
