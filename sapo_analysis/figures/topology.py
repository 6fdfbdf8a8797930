"""A soft prompt's point cloud along a fine-tune: total persistence and compactness by step."""

from __future__ import annotations

import math

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.format_specialization import (
    CUT,
    STAGE_1,
    Range,
    counts,
    curve,
    interval_of,
    stage_line,
)
from sapo_analysis.figures.method_marks import Look, kept, looks_of, words
from sapo_analysis.figures.spec import FigureSpec, Layer, Panel, require_columns

COLUMNS = (
    *("name", "step", "series", "value", "lower", "upper", "first_stage_ends"),
    *("unit", "n_units", "n_tasks", "n_prompts", "n_seeds", "fewest_tokens", "most_tokens"),
)
SERIES = {
    "h0_persistence": "H0 persistence",
    "h1_persistence": "H1 persistence",
    "compactness": "Compactness",
}
POSSIBLE: dict[str, Range] = {
    **dict.fromkeys(("h0_persistence", "h1_persistence"), (0.0, math.inf)),
    "compactness": (0.0, 1.0),
}
"""No value lies beyond: there bands are cut."""
_ROOM = 0.08
"""About the values, of their range."""


def topology(table: pd.DataFrame, steps: str = "") -> FigureSpec:
    """Total H0 and H1 persistence and compactness over steps, a panel each, a line per method.

    Args:
        table: `topology_curves(runs)`.
        steps: of methods that took unequal optimizer steps, which (`unequal_steps`); said below.

    Raises:
        InputError: another table, or an empty one.
    """
    require_columns(table, COLUMNS, "topology_curves(runs)")
    if table.empty:
        raise InputError("No fine-tune with a soft prompt that was looked at has ended yet.")
    looks = looks_of(list(dict.fromkeys(table["name"])))
    series = [name for name in SERIES if (table["series"] == name).any()]
    return FigureSpec(
        name="topology",
        panels=tuple(_panel(table[table["series"] == name], name, looks) for name in series),
        table=table,
        caption=Caption(
            shows="A soft prompt's virtual tokens as a point cloud, by optimizer step, a line per"
            " method: means over prompts, seeds and tuned tasks.",
            n=counts(table),
            interval=interval_of(table),
            marks=(
                tokens_in_words(table["fewest_tokens"].min(), table["most_tokens"].max()),
                *((STAGE_1,) if table["first_stage_ends"].notna().any() else ()),
                *((Of("intervals", CUT),) if interval_of(table) else ()),
                *((steps,) if steps else ()),
            ),
            terms=tuple(series),
        ),
        alt="Total H0 persistence, total H1 persistence and compactness of soft prompts by step for"
        f" {', '.join(map(words, looks))}.",
        columns=len(series),
        height=360,
        aspect=0.85,
        wide=True,
        x_title="optimizer step",
        y_title=f"{entry('h0_persistence').unit}\n(compactness: {entry('compactness').unit})",
    )


def tokens_in_words(fewest: int, most: int) -> str:
    """How many points the clouds have."""
    n = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"A soft prompt has {n} virtual tokens."


def _panel(rows: pd.DataFrame, series: str, looks: dict[str, Look]) -> Panel:
    possible = POSSIBLE[series]
    y_range = _about(rows, possible)
    layers: list[Layer] = []
    for name, look in looks.items():
        own = rows[rows["name"] == name].sort_values("step")
        layers += [*stage_line(own, look, y_range), *curve(own, look, ".3g", possible)]
    return Panel(
        layers=tuple(layers),
        x_label="",
        y_label="",
        title=SERIES[series],
        y_range=y_range,
    )


def _about(rows: pd.DataFrame, possible: Range) -> Range:
    """A range with a little room about all values and their intervals as they are drawn."""
    ends = rows[["value", "lower", "upper"]].to_numpy(dtype=float)
    drawn = [kept(float(end), possible) for end in ends[ends == ends]]
    low, high = min(drawn), max(drawn)
    room = _ROOM * (high - low) or 0.1 * abs(high) or 0.1
    return low - room, high + room
