"""Training losses of a paraphrase study by task: SAPO's pick and the original among all prompts."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.training_losses import COLUMNS
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.spec import (
    Band,
    FigureSpec,
    Layer,
    Line,
    Panel,
    Points,
    require_columns,
)

KINDS = {
    "prompts": ("random", "mean over all prompts"),
    "original": ("original", "original prompt"),
    "pick": ("sapo", "SAPO's pick"),
}
"""Whose colour, marker and dash a kind has, and what the legend says; drawn in this order."""

MARKED = 5
"""Markers on a line, about: enough to tell lines apart where they cross."""
MOST_ACROSS = 4
"""Panels side by side."""


def training_by_task(table: pd.DataFrame) -> FigureSpec:
    """Training loss by step, a panel per current task, means over seeds.

    Args:
        table: `losses_by_prompt(runs)`.

    Raises:
        InputError: another table, or one without rows.
    """
    require_columns(table, COLUMNS, "losses_by_prompt(runs)")
    if table.empty:
        raise InputError("No task has a seed that all its prompts were trained with.")
    tasks = list(dict.fromkeys(table["task"]))
    every = (table["n_prompts"].min(), table["n_prompts"].max())
    across = even(len(tasks))
    return FigureSpec(
        name="training_by_task",
        panels=tuple(_panel(table[table["task"] == task], str(task)) for task in tasks),
        table=table,
        caption=Caption(
            shows="Training loss of the next batch by optimizer step, a panel per current task:"
            " means of neighbouring steps, then over seeds.",
            n={
                "tasks": len(tasks),
                "prompts" if every[0] == every[1] else "prompts (fewest of a task)": int(every[0]),
                "seeds": int(table["n_seeds"].min()),
            },
            marks=(
                "SAPO's pick: the prompt with the lowest pre-update loss at the state that each"
                " seed trains from.",
                Of(
                    "intervals",
                    "Band: from the lowest to the highest of the prompts' own means over seeds.",
                ),
            ),
            terms=("pre_update_loss",),
        ),
        alt=f"Training loss by step of {len(tasks)} tasks: SAPO's pick, the original prompt and the"
        " mean over all prompts.",
        columns=across,
        height=90 + 190 * -(-len(tasks) // across),
        aspect=0.7,
        wide=True,
        x_title="optimizer step",
        y_title="training loss (nats per target token), log scale",
    )


def _panel(rows: pd.DataFrame, task: str) -> Panel:
    layers: list[Layer] = []
    for nth, (kind, (policy, label)) in enumerate(KINDS.items()):
        own = rows[rows["kind"] == kind].sort_values("step")
        if own.empty:
            continue
        x, y = _floats(own["step"]), _floats(own["loss"])
        if own["lower"].notna().all():
            ends = _floats(own["lower"]), _floats(own["upper"])
            layers.append(
                Band(x, *ends, theme.NEUTRAL, 0.3, label="range of prompts", part="intervals")
            )
        layers += marked_line(x, y, policy, label, task, nth)
    return Panel(layers=tuple(layers), x_label="", y_label="", title=task, y_log=True)


def even(n: int) -> int:
    """Panels per row, so that rows are about equally full."""
    return math.ceil(n / math.ceil(n / MOST_ACROSS))


def marked_line(
    x: tuple[float, ...], y: tuple[float, ...], policy: str, label: str, where: str, nth: int
) -> list[Layer]:
    """A line with a few markers on it, in the colour, shape and dash of a policy.

    `nth`: of the lines in its panel; markers of neighbours stand apart where there is room.
    """
    color, marker = theme.POLICIES[policy]
    apart = max(1, math.ceil(len(x) / MARKED))
    at = range(nth % apart, len(x), apart)
    hover = tuple(f"{label}, {where}\nstep {x[i]:.0f}: {y[i]:.3f}" for i in at)
    points = tuple(x[i] for i in at), tuple(y[i] for i in at)
    return [
        Line(x, y, color, 1.5, dash=theme.DASHES[policy]),
        Points(*points, color, marker, 8.0, label=label, hover=hover),
    ]


def _floats(values: pd.Series[float]) -> tuple[float, ...]:
    return tuple(map(float, values))
