"""Are prompts that are good for one task good for the others? The heat map between tasks."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.wording import signed
from sapo_analysis.errors import InputError
from sapo_analysis.figures.spec import Cells, FigureSpec, Panel, Ticks, require_columns

COLUMNS = ("task_i", "task_j", "r", "lower", "upper", "n_prompts", "n_current_tasks", "below_noise")


def impact_heatmap(table: pd.DataFrame) -> FigureSpec:
    """The correlation over prompts of the impacts on two other tasks, for every pair.

    Args:
        table: `impact_correlation(df)`.

    Raises:
        InputError: another table, or one without pairs.
    """
    require_columns(table, COLUMNS, "impact_correlation(df)")
    if table.empty:
        raise InputError("There is no pair of other tasks to compare. Add past or unseen tasks.")
    tasks = sorted(set(table["task_i"]) | set(table["task_j"]))
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
    ticks = Ticks(tuple(float(i) for i in range(len(tasks))), tuple(tasks))
    layer = Cells(
        values=tuple(tuple(c[0] for c in row) for row in grid),
        limit=1.0,
        unit="r over prompts",
        faint=tuple(tuple(c[2] for c in row) for row in grid),
        texts=tuple(tuple(c[1] for c in row) for row in grid),
        hover=tuple(tuple(c[3] for c in row) for row in grid),
    )
    panel = Panel(
        layers=(layer,),
        x_label="",
        y_label="",
        x_range=(-0.5, len(tasks) - 0.5),
        y_range=(len(tasks) - 0.5, -0.5),
        x_ticks=ticks,
        y_ticks=ticks,
    )
    return FigureSpec(
        name="impact_heatmap",
        panels=(panel,),
        table=table,
        caption={"n_tasks": len(tasks), "n_prompts": int(table["n_prompts"].min())},
        alt=f"Heat map of the correlation of impacts between {len(tasks)} tasks.",
        height=120 + 44 * len(tasks),
        aspect=0.85,
        legend=False,
    )
