"""Training loss by step of the trials that ended last."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Layer, Line, Panel, Points, require_columns

COLUMNS = ("trial_id", "task", "prompt_id", "step", "loss")


def training_curves(table: pd.DataFrame) -> FigureSpec:
    """A line per trial, coloured by task, its end marked with the task's shape.

    Args:
        table: `curves_table(run)`.

    Raises:
        InputError: another table, or one without a curve.
    """
    require_columns(table, COLUMNS, "curves_table(run)")
    if table.empty:
        raise InputError("No trial has ended yet.")
    tasks = sorted(set(table["task"]))
    colors, shapes = theme.colors(tasks), theme.markers(tasks)
    layers: list[Layer] = []
    for (task, prompt_id, _), own in table.groupby(["task", "prompt_id", "trial_id"], sort=True):
        x, y = tuple(map(float, own["step"])), tuple(map(float, own["loss"]))
        words = f"{task}, {prompt_id}\nstep {x[-1]:.0f}: {y[-1]:.3f}"
        color, shape = colors[str(task)], shapes[str(task)]
        layers.append(Line(x, y, color, 1.2))
        layers.append(Points(x[-1:], y[-1:], color, shape, 8.0, label=str(task), hover=(words,)))
    n = int(table["trial_id"].nunique())
    return FigureSpec(
        name="training_curves",
        panels=(
            Panel(
                layers=tuple(layers),
                x_label="optimizer step",
                y_label="training loss of the next batch\n(nats per target token)",
            ),
        ),
        table=table,
        caption=Caption(
            shows="Training loss of the next batch by optimizer step, a line per trial: those that"
            " ended last.",
            n={"trials": n, "tasks": len(tasks)},
            marks=("Marker at a line's end: its task.",),
        ),
        alt=f"Training loss by step of {n} trials of {len(tasks)} tasks.",
        height=340,
    )
