"""How a fine-tune takes up the format: tuned score and format ratio over its steps."""

from __future__ import annotations

import pandas as pd

from sapo_analysis.analysis.glossary import DIRECTIONS, entry
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption, Of
from sapo_analysis.figures.method_marks import Look, kept, looks_of, with_line, words
from sapo_analysis.figures.spec import FigureSpec, Layer, Line, Panel, require_columns

COLUMNS = (
    *("name", "step", "series", "value", "lower", "upper", "floor", "first_stage_ends"),
    *("unit", "n_units", "n_tasks", "n_prompts", "n_seeds"),
)
SERIES = {"tuned_score": "Tuned task", "format_ratio": "Other tasks"}
STAGE_1 = "Dotted vertical line: the end of ProMoT's first stage, in its method's colour."
Range = tuple[float, float]
POSSIBLE: dict[str, Range] = {"tuned_score": (0.0, 100.0), "format_ratio": (0.0, 1.0)}
"""No value lies beyond: there bands are cut, and axes end with room for a marker."""
_ROOM = 0.03
"""Of the possible range."""
CUT = "Bands: these intervals, cut where no value can lie."


def format_specialization(table: pd.DataFrame, steps: str = "") -> FigureSpec:
    """Score on the tuned task beside format ratio on the others, a line per method.

    Args:
        table: `format_curves(runs)`.
        steps: of methods that took unequal optimizer steps, which (`unequal_steps`); said below.

    Raises:
        InputError: another table, or an empty one.
    """
    require_columns(table, COLUMNS, "format_curves(runs)")
    if table.empty:
        raise InputError("No fine-tune with diagnostics has ended yet.")
    looks = looks_of(list(dict.fromkeys(table["name"])))
    series = [name for name in SERIES if (table["series"] == name).any()]
    scores = POSSIBLE["tuned_score"]
    ranges = {"tuned_score": padded(table[table["series"] == "tuned_score"], scores)}
    ranges["format_ratio"] = with_room(POSSIBLE["format_ratio"])
    panels = tuple(
        _panel(table[table["series"] == name], name, looks, ranges[name]) for name in series
    )
    return FigureSpec(
        name="format_specialization",
        panels=panels,
        table=table,
        caption=Caption(
            shows="Score on the tuned task and format ratio on the other tasks by optimizer step,"
            " a line per method: means over prompts, seeds and tuned tasks.",
            n=counts(table),
            interval=interval_of(table),
            marks=(
                *((STAGE_1,) if table["first_stage_ends"].notna().any() else ()),
                *(
                    ("Dashed grey: the format ratio of the other tasks' gold answers.",)
                    if table["floor"].notna().any()
                    else ()
                ),
                *((Of("intervals", CUT),) if interval_of(table) else ()),
                *((steps,) if steps else ()),
            ),
            terms=("tuned_score", "format_ratio"),
        ),
        alt=f"Tuned score and format ratio by step for {', '.join(map(words, looks))}.",
        columns=len(panels),
        height=380,
        aspect=0.72,
        wide=True,
    )


def _panel(rows: pd.DataFrame, series: str, looks: dict[str, Look], y_range: Range) -> Panel:
    term = entry(series)
    layers: list[Layer] = []
    floors = rows["floor"].dropna()
    if len(floors):
        ends = float(rows["step"].min()), float(rows["step"].max())
        y = (float(floors.mean()),) * 2
        layers.append(Line(ends, y, theme.GREY, 1.2, dash=(5, 3), label="gold answers"))
    for name, look in looks.items():
        own = rows[rows["name"] == name].sort_values("step")
        number = ".1f" if y_range[1] > 2 else ".2f"
        layers += [*stage_line(own, look, y_range), *curve(own, look, number, POSSIBLE[series])]
    return Panel(
        layers=tuple(layers),
        x_label="optimizer step",
        y_label=f"{term.label} ({term.unit},\n{DIRECTIONS[term.better]})",
        title=SERIES[series],
        y_range=y_range,
    )


def curve(own: pd.DataFrame, look: Look, number: str, possible: Range) -> list[Layer]:
    """A method's values by step with the band of their intervals; none where it has none.

    Args:
        own: its rows, by step.
        look: how it is drawn.
        number: how values are written, as `format` takes it.
        possible: no value lies beyond.
    """
    if own.empty:
        return []
    x, y, lower, upper = (tuple(map(float, own[c])) for c in ("step", "value", "lower", "upper"))
    hover = tuple(
        f"{look.label}\nstep {a:.0f}: {b:{number}}"
        + (f" (95 %: {c:{number}} to {d:{number}})" if c == c else "")
        for a, b, c, d in zip(x, y, lower, upper, strict=True)
    )
    return with_line(look, x, (y, lower, upper), hover, possible)


def stage_line(own: pd.DataFrame, look: Look, y_range: Range) -> list[Layer]:
    """Where the first stage of a method ends, across the panel; none where it has none."""
    ends = own["first_stage_ends"].dropna()
    if ends.empty:
        return []
    at = float(ends.iloc[0])
    return [Line((at, at), y_range, look.color, 1.0, dash=(1.5, 2), part="marks")]


def with_room(possible: Range, share: float = _ROOM) -> Range:
    """A range with room for a marker at either end."""
    room = share * (possible[1] - possible[0])
    return possible[0] - room, possible[1] + room


def padded(rows: pd.DataFrame, possible: Range) -> Range:
    """A little room about all values and their intervals, no wider than `with_room`."""
    ends = rows[["value", "lower", "upper"]].to_numpy(dtype=float)
    known = ends[ends == ends]
    if not known.size:
        return 0.0, 1.0
    room = 0.06 * (known.max() - known.min()) or 1.0
    widest = with_room(possible)
    return kept(float(known.min() - room), widest), kept(float(known.max() + room), widest)


def counts(table: pd.DataFrame) -> dict[str, int]:
    """What stands behind every value, at least."""
    found = {"tasks": "n_tasks", "prompts": "n_prompts", "seeds": "n_seeds"}
    return {name: int(table[column].min()) for name, column in found.items()}


def interval_of(table: pd.DataFrame) -> str:
    """What intervals are over; "" where there are none."""
    known = table[table["lower"].notna()]
    if known.empty:
        return ""
    return f"95 % Student t over {int(known['n_units'].min())} {known['unit'].iloc[0]}"
