"""A paraphrase study's candidates by pre-update loss: a strip per task, as they are scored."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Layer, Panel, Points, Ticks, require_columns

COLUMNS = ("task", "state_id", "state", "prompt_id", "loss", "is_original", "is_lowest", "text")


def candidate_strip(table: pd.DataFrame) -> FigureSpec:
    """Every candidate's loss minus that of its task's original prompt at the same state.

    Losses of tasks differ in level; what a study asks is how wordings of one task differ.

    Args:
        table: `candidates_table(run)`.

    Raises:
        InputError: another table, or nothing is scored yet.
    """
    require_columns(table, COLUMNS, "candidates_table(run)")
    if table.empty:
        raise InputError("No candidate is scored yet.")
    at = ["task", "state_id"]
    originals = table[table["is_original"]][[*at, "loss"]].rename(columns={"loss": "of_original"})
    own = table.merge(originals, on=at)
    own["over_original"] = own["loss"] - own["of_original"]
    several = own["state"].max() > 1
    own["row"] = own["task"] + ((" · state " + own["state"].astype(str)) if several else "")
    rows = list(dict.fromkeys(own.sort_values(["task", "state"])["row"]))
    heights = {row: float(len(rows) - 1 - i) for i, row in enumerate(rows)}
    lowest, original = own["is_lowest"], own["is_original"]
    layers: list[Layer] = [
        _points(own[~lowest & ~original], heights, theme.GREY, "circle", 8.0, "candidate", 0.55),
        _points(own[original], heights, theme.GREY, theme.MARK_ORIGINAL, 11.0, "original"),
        _points(own[lowest], heights, theme.BLUE, theme.MARK_SAPO, 14.0, "lowest: SAPO's pick"),
    ]
    panel = Panel(
        layers=tuple(layer for layer in layers if isinstance(layer, Points) and layer.x),
        x_label="loss − the original's\n(nats per token)",
        y_label="",
        y_range=(-0.7, len(rows) - 0.3),
        x_zero=True,
        y_ticks=Ticks(tuple(heights.values()), tuple(heights)),
    )
    return FigureSpec(
        name="candidate_strip",
        panels=(panel,),
        table=own.drop(columns=["row"]),
        caption=Caption(
            shows="Pre-update loss of every candidate minus that of its task's original prompt at"
            " the same state (nats per token), a row per task and state.",
            n={"tasks": int(own["task"].nunique()), "candidates": len(own)},
            marks=("Star: the lowest, which SAPO picks; diamond: the original.",),
            terms=("pre_update_loss",),
        ),
        alt=f"Pre-update loss of {len(own)} candidates of {own['task'].nunique()} tasks, each minus"
        " its task's original prompt.",
        height=140 + 26 * len(rows),
        aspect=0.5,
    )


def _points(
    rows: pd.DataFrame,
    heights: dict[str, float],
    color: str,
    marker: str,
    size: float,
    label: str,
    opacity: float = 1.0,
) -> Points:
    hover = tuple(
        f"{row['prompt_id']} · {row['row']}: {row['loss']:.3f}\n{row['text']}"
        for row in rows.to_dict("records")
    )
    return Points(
        tuple(map(float, rows["over_original"])),
        tuple(heights[row] for row in rows["row"]),
        *(color, marker, size),
        opacity=opacity,
        label=label,
        hover=hover,
    )
