"""Are prompts that are good for one task good for the others? The heat map between tasks."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.estimate import Form
from sapo_analysis.analysis.quantities import in_form
from sapo_analysis.analysis.wording import signed
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.spec import (
    Cells,
    FigureSpec,
    Layer,
    Panel,
    Points,
    Ticks,
    require_columns,
)
from sapo_analysis.figures.task_names import beside_axis

COLUMNS = ("task_i", "task_j", "r", "lower", "upper", "n_prompts", "n_current_tasks", "below_noise")
MOST_NUMBERED = 12
"""Tasks up to which every cell has its number written in it; of more a hover says it."""


def impact_heatmap(
    table: pd.DataFrame, chosen: tuple[str, str] | None = None, *, form: Form = "score"
) -> FigureSpec:
    """The correlation over prompts of the impacts on two other tasks, for every pair.

    Args:
        table: `impact_correlation(df, form=form)`.
        chosen: The pair (task_i, task_j) whose cell gets a frame.
        form: `score` or `loss`: what the table's impacts are.

    Raises:
        InputError: another table, or one without pairs.
    """
    require_columns(table, COLUMNS, "impact_correlation(df)")
    if table.empty:
        raise InputError("There is no pair of other tasks to compare. Add past or unseen tasks.")
    tasks = sorted(set(table["task_i"]) | set(table["task_j"]))
    roomy = len(tasks) <= MOST_NUMBERED
    rows = {(row["task_i"], row["task_j"]): row for row in table.to_dict("records")}

    def cell(i: str, j: str) -> tuple[float, str, bool, str]:
        row = rows.get((i, j))
        if row is None or math.isnan(row["r"]):
            return math.nan, "", False, f"{i} and {j}: not defined"
        faint = not pd.isna(row["below_noise"]) and bool(row["below_noise"])
        words = (
            f"{i} and {j}\nr = {signed(row['r'])}"
            f" ({signed(row['lower'])} to {signed(row['upper'])})"
            f"\n{row['n_prompts']} prompts, {row['n_current_tasks']} current tasks"
        )
        return (
            float(row["r"]),
            signed(row["r"]),
            faint,
            words + ("\nbelow seed noise" if faint else ""),
        )

    grid = [[cell(i, j) for j in tasks] for i in tasks]
    ticks = Ticks(tuple(float(i) for i in range(len(tasks))), beside_axis(tasks))
    hatched = any(c[2] for row in grid for c in row)
    layer = Cells(
        values=tuple(tuple(c[0] for c in row) for row in grid),
        limit=1.0,
        unit="r over prompts",
        faint=tuple(tuple(c[2] for c in row) for row in grid),
        texts=tuple(tuple(c[1] if roomy else "" for c in row) for row in grid),
    )
    # A click on a heat map selects nothing, one on a point does: each cell carries an unseen one.
    known = [(i, j) for i, a in enumerate(tasks) for j, b in enumerate(tasks) if (a, b) in rows]
    targets = Points(
        x=tuple(float(j) for _, j in known),
        y=tuple(float(i) for i, _ in known),
        color=theme.GREY,
        marker="square",
        size=24.0 if roomy else 16.0,
        opacity=0.0,
        keys=tuple((tasks[i], tasks[j]) for i, j in known),
        hover=tuple(grid[i][j][3] for i, j in known),
    )
    layers: list[Layer] = [layer, targets]
    if chosen is not None and chosen in rows:
        place = (float(tasks.index(chosen[1])),), (float(tasks.index(chosen[0])),)
        layers.append(Points(*place, theme.VERMILION, "square", 34.0 if roomy else 22.0, True))
    panel = Panel(
        layers=tuple(layers),
        x_label="",
        y_label="",
        x_range=(-0.5, len(tasks) - 0.5),
        y_range=(len(tasks) - 0.5, -0.5),
        x_ticks=ticks,
        y_ticks=ticks,
    )
    return FigureSpec(
        name=f"impact_heatmap_{form}",
        panels=(panel,),
        table=table,
        caption=Caption(
            shows="Correlation r over prompts of the impacts on two other tasks, for every pair of"
            f" tasks, {form} form, means over seeds: the mean over the current tasks.",
            n={
                "tasks": len(tasks),
                "current tasks (most of a pair)": int(table["n_current_tasks"].max()),
                "prompts (fewest of a pair)": int(table["n_prompts"].min()),
            },
            marks=(
                *((Of("numbers", "In the cells: r."),) if roomy else ("Minus: r is negative.",)),
                *(
                    (
                        "Hatched, below seed noise: in most current tasks the spread over prompts"
                        " of one of the two impacts is no more than the seed alone makes.",
                    )
                    if hatched
                    else ()
                ),
            ),
            terms=(in_form("impact", form),),
        ),
        alt=f"Heat map of the correlation of impacts between {len(tasks)} tasks.",
        height=120 + (44 if roomy else 28) * len(tasks),
        wide=len(tasks) > 8,
        aspect=0.85,
        legend=False,
    )
