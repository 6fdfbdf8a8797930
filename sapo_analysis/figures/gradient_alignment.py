"""Whether training changes the format or the answers: gradient alignment by step and module."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.format_specialization import (
    CUT,
    STAGE_1,
    Range,
    counts,
    interval_of,
    stage_line,
)
from sapo_analysis.figures.method_marks import Look, kept, looks_of, with_line, words
from sapo_analysis.figures.spec import FigureSpec, Layer, Line, Panel, require_columns
from sapo_analysis.figures.training_by_task import even

COLUMNS = (
    *("name", "step", "module", "value", "lower", "upper", "floor", "first_stage_ends"),
    *("unit", "n_units", "n_tasks", "n_prompts", "n_seeds"),
)
_POSSIBLE: Range = (-1.0, 1.0)
_ROOM = 0.05
"""For markers at either end of the axis."""


def gradient_alignment(table: pd.DataFrame) -> FigureSpec:
    """The gradient alignment over steps, a panel per module, a line per method, with its floor.

    Args:
        table: `alignment_curves(runs)`.

    Raises:
        InputError: another table, or one without a value.
    """
    require_columns(table, COLUMNS, "alignment_curves(runs)")
    if table["value"].isna().all():
        raise InputError("No fine-tune with gradients has ended yet.")
    looks = looks_of(list(dict.fromkeys(table["name"])))
    modules = list(dict.fromkeys(table["module"]))
    ends = table[["value", "lower", "upper"]].to_numpy(dtype=float)
    known = ends[ends == ends]
    lowest = kept(min(0.0, float(known.min())), _POSSIBLE)
    y_range = lowest - _ROOM, _POSSIBLE[1] + _ROOM
    across = even(len(modules))
    return FigureSpec(
        name="gradient_alignment",
        panels=tuple(
            _panel(table[table["module"] == name], str(name), looks, y_range) for name in modules
        ),
        table=table,
        caption=Caption(
            shows="Gradient alignment by optimizer step, a panel per module of the last layer, a"
            " line per method: means over prompts, seeds and tuned tasks.",
            n={**counts(table), "modules": len(modules)},
            interval=interval_of(table),
            marks=(
                "Dashed grey: the floor, mean over methods.",
                *((STAGE_1,) if table["first_stage_ends"].notna().any() else ()),
                *((Of("intervals", CUT),) if interval_of(table) else ()),
            ),
            terms=("gradient_alignment", "gradient_alignment_floor"),
        ),
        alt=f"Gradient alignment by step in {len(modules)} modules of the last layer for"
        f" {', '.join(map(words, looks))}.",
        columns=across,
        height=90 + 230 * -(-len(modules) // across),
        aspect=0.72,
        wide=True,
        x_title="optimizer step",
        y_title=f"{entry('gradient_alignment').label} (cosine)",
    )


def _panel(rows: pd.DataFrame, module: str, looks: dict[str, Look], y_range: Range) -> Panel:
    floor = rows.groupby("step")["floor"].mean().dropna()
    layers: list[Layer] = []
    if len(floor):
        x, y = tuple(map(float, floor.index)), tuple(map(float, floor))
        layers.append(Line(x, y, theme.GREY, 1.2, dash=(5, 3), label="floor"))
    for name, look in looks.items():
        own = rows[(rows["name"] == name) & rows["value"].notna()].sort_values("step")
        if own.empty:
            continue
        layers += stage_line(own, look, y_range)
        columns = ("step", "value", "lower", "upper")
        x, y, lower, upper = (tuple(map(float, own[column])) for column in columns)
        hover = tuple(
            f"{look.label}, {module}\nstep {a:.0f}: {b:.2f}" for a, b in zip(x, y, strict=True)
        )
        layers += with_line(look, x, (y, lower, upper), hover, _POSSIBLE)
    return Panel(tuple(layers), x_label="", y_label="", title=module, y_range=y_range)
