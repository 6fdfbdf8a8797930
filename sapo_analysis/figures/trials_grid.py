"""Every trial of a study as a mark: waiting, training, done or failed."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import (
    FigureSpec,
    Layer,
    Note,
    Panel,
    Points,
    Ticks,
    require_columns,
)

COLUMNS = ("task", "seed", "purpose", "prompt_id", "place", "mark")
LOOKS = {
    "waiting": (theme.GREY, "square", True),
    "training": (theme.ORANGE, "star", False),
    "done": (theme.BLUE, "square", False),
    "failed": (theme.VERMILION, "x", False),
}
"""Colour, marker and whether hollow: a mark is known by its shape and letter too."""
PURPOSES = ("main", "noise", "repeat")
MOST_LETTERED = 12
"""With more columns letters would cover each other; colour, shape and legend stay."""


def trials_grid(table: pd.DataFrame) -> FigureSpec:
    """One mark per trial: a row per task and seed, a column per prompt; noise trials in rows below.

    Args:
        table: `trials_table(plan, run)`.

    Raises:
        InputError: another table, or one without trials.
    """
    require_columns(table, COLUMNS, "trials_table(plan, run)")
    if table.empty:
        raise InputError("The plan has no trials.")
    own = table.copy()
    of_main = own["purpose"] == "main"
    several = own.loc[of_main, "seed"].nunique() > 1
    seeds = " · seed " + own["seed"].astype(str) if several else pd.Series("", own.index)
    own["row"] = own["task"] + seeds.where(of_main, " · " + own["purpose"])
    # Noise trials repeat few prompts under many seeds: they stand side by side.
    own["column"] = own["place"].where(of_main, own.groupby("row").cumcount()).astype(float)
    own["order"] = own["purpose"].map(list(PURPOSES).index)
    own = own.sort_values(["task", "order", "seed"], kind="stable")
    heights = {row: -float(i) for i, row in enumerate(dict.fromkeys(own["row"]))}
    columns = int(own["column"].max()) + 1
    size = 17.0 if columns <= MOST_LETTERED else 9.0
    counts = own["mark"].value_counts()
    layers: list[Layer] = [
        _points(own[own["mark"] == mark], heights, mark, int(counts.get(mark, 0)), size)
        for mark in LOOKS
        if counts.get(mark, 0)
    ]
    if columns <= MOST_LETTERED:
        layers += [
            Note(column, heights[row], mark[0].upper(), "center")
            for column, row, mark in zip(own["column"], own["row"], own["mark"], strict=True)
        ]
    main = own[own["purpose"] == "main"]
    names = dict(zip(main["column"], main["prompt_id"], strict=True))
    alike = main.groupby("column")["prompt_id"].nunique().max() == 1
    ticks = (
        Ticks(tuple(names), tuple(names.values()))
        if alike and columns <= 8
        else Ticks((0.0,), ("original",))
    )
    panel = Panel(
        layers=tuple(layers),
        x_label="prompt of the task",
        y_label="",
        x_range=(-0.6, columns - 0.4),
        y_range=(min(heights.values()) - 0.7, 0.7),
        x_ticks=ticks,
        y_ticks=Ticks(tuple(heights.values()), tuple(heights)),
    )
    said = ", ".join(f"{counts.get(mark, 0)} {mark}" for mark in LOOKS)
    return FigureSpec(
        name="trials_grid",
        panels=(panel,),
        table=own.drop(columns=["row", "column", "order"]),
        caption=Caption(
            shows="Every trial of the study: a row per task and seed, a column per prompt; noise"
            " trials and repeats stand in rows of their own.",
            n={"trials": len(own), **{str(mark): int(n) for mark, n in counts.items()}},
        ),
        alt=f"{len(own)} trials: {said}.",
        height=130 + 25 * len(heights),
        aspect=0.6,
    )


def _points(
    rows: pd.DataFrame, heights: dict[str, float], mark: str, n: int, size: float
) -> Points:
    color, marker, hollow = LOOKS[mark]
    hover = tuple(
        f"{row['task']}, {row['prompt_id']}\nseed {row['seed']}, {row['purpose']}: {mark}"
        for row in rows.to_dict("records")
    )
    return Points(
        tuple(map(float, rows["column"])),
        tuple(heights[row] for row in rows["row"]),
        *(color, marker, size, hollow),
        opacity=0.4 if size > 10 and mark == "done" else 1.0,  # its letter has to be read
        label=f"{mark[0].upper()} {mark} ({n})",
        hover=hover,
    )
