"""The persistence diagram of soft prompts: death against birth, before and after a fine-tune."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.errors import InputError
from sapo_analysis.figures import theme
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.format_specialization import Range
from sapo_analysis.figures.method_marks import Look, looks_of, words
from sapo_analysis.figures.spec import FigureSpec, Layer, Line, Note, Panel, require_columns
from sapo_analysis.figures.topology import tokens_in_words

COLUMNS = (
    *("name", "tuned_task", "fine_tune", "stage", "moment", "step"),
    *("dimension", "birth", "death"),
)
MOMENTS = {"start": "Start", "end": "End"}
_ROOM = 0.06
"""About the values, of the axis."""
_APART = 0.035
"""Of the axis: how far components of neighbouring methods stand apart."""
_FLAT = 0.25
"""Of the axis: loops that all lie nearer to the diagonal are drawn once more, larger."""
_MANY = 150
"""Points of a method in a panel from which on they are small and faint."""


def persistence_diagram(table: pd.DataFrame) -> FigureSpec:
    """Death against birth of each component (H0) and loop (H1), a panel per moment.

    Loops mostly end soon after they begin: then a second row of panels has them alone, with how
    long they last in place of their death.

    Args:
        table: `chosen_pairs(persistence_pairs(runs))`.

    Raises:
        InputError: another table, or an empty one.
    """
    require_columns(table, COLUMNS, "chosen_pairs(persistence_pairs(runs))")
    if table.empty:
        raise InputError("No fine-tune with a soft prompt that was looked at has ended yet.")
    looks = looks_of(list(dict.fromkeys(table["name"])))
    moments = dict(_moments(table))
    top = float(table["death"].max()) or 1.0
    least = -_ROOM - (len(looks) - 1) * _APART
    whole = (least * top, (1 + _ROOM) * top), (-_ROOM * top, (1 + _ROOM) * top)
    loops = table[table["dimension"] == 1]
    panels = [_whole(title, own, looks, whole) for title, own in moments.items()]
    lasting = loops["death"] - loops["birth"]
    if len(loops) and lasting.max() < _FLAT * top:
        axes = _about(loops["birth"]), (-_ROOM * lasting.max(), (1 + 2 * _ROOM) * lasting.max())
        panels += [
            _loops(title, own[own["dimension"] == 1], looks, axes) for title, own in moments.items()
        ]
    tunes = table[["tuned_task", "fine_tune", "stage"]].drop_duplicates()
    per_look = table[table["dimension"] == 0].groupby(["name", *tunes.columns, "step"]).size() + 1
    return FigureSpec(
        name="persistence_diagram",
        panels=tuple(panels),
        table=table,
        caption=Caption(
            shows="Persistence diagram of a soft prompt's virtual tokens"
            f"{_when(table)}: death against birth of each component (H0, all born at 0) and loop"
            f" (H1), {_of_what(tunes)}.",
            n={
                "methods": len(looks),
                "fine-tunes": len(tunes),
                "components": len(table) - len(loops),
                "loops": len(loops),
            },
            marks=(
                tokens_in_words(int(per_look.min()), int(per_look.max())),
                "Grey: the diagonal, where birth and death are the same.",
                "The component that never ends is left out.",
                *((_BESIDE,) if len(looks) > 1 else ()),
                *((_AGAIN,) if len(panels) > len(moments) else ()),
            ),
            terms=("persistence_diagram",),
        ),
        alt="Persistence diagram of soft prompts: "
        f"{len(table) - len(loops)} components and {len(loops)} loops of"
        f" {', '.join(map(words, looks))}.",
        columns=2 if len(panels) > 1 else 1,
        height=400 if len(panels) < 3 else 660,
        aspect=0.78,
        wide=len(panels) > 1,
        x_title=entry("birth").axis,
    )


_BESIDE = (
    "Components of several methods stand beside each other left of birth 0, so that none covers"
    " another."
)
_AGAIN = "The loops are drawn once more, alone, by how long they last."


def _moments(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each panel, by its title."""
    if table["step"].nunique() == 1:
        ends = set(table["moment"])
        at = f"step {int(table['step'].iloc[0])}"
        named = MOMENTS.get(ends.pop(), "") if len(ends) == 1 else ""
        yield f"{named}, {at}" if named else at.capitalize(), table
        return
    for moment, words_of_it in MOMENTS.items():
        own = table[table["moment"] == moment]
        steps = own["step"].unique()
        if len(own):
            yield f"{words_of_it}, step {steps[0]}" if len(steps) == 1 else words_of_it, own


def _whole(
    title: str, own: pd.DataFrame, looks: Mapping[str, Look], axes: tuple[Range, Range]
) -> Panel:
    """Both dimensions on one pair of axes, from 0 on."""
    high = axes[1][1]
    layers: list[Layer] = [Line((0.0, high), (0.0, high), theme.NEUTRAL, 1.2)]
    for i, (name, look) in enumerate(looks.items()):
        rows = own[own["name"] == name]
        shift = -i * _APART * high * (rows["dimension"] == 0)
        layers += _marks(rows, look, rows["birth"] + shift, rows["death"])
    # Those of the first method stand at 0, and right of them there is never a point.
    is_first = own["name"] == next(iter(looks))
    deaths = own.loc[is_first & (own["dimension"] == 0), "death"]
    loops = own[own["dimension"] == 1]
    if len(deaths):
        layers.append(Note(0.0, float(deaths.max()), "H0", gap=9.0, part="names"))
    if len(loops):  # below the diagonal there is never a point
        x = float(loops["birth"].median())
        layers.append(Note(x, x - 0.12 * high, "H1", "center", part="names"))
    return _panel(title, layers, *axes, "death")


def _loops(
    title: str, loops: pd.DataFrame, looks: Mapping[str, Look], axes: tuple[Range, Range]
) -> Panel:
    """Loops alone: how long they last, against birth."""
    layers: list[Layer] = [_ground(axes[0])]
    for name, look in looks.items():
        rows = loops[loops["name"] == name]
        layers += _marks(rows, look, rows["birth"], rows["death"] - rows["birth"])
    if loops.empty:
        layers.append(Note(sum(axes[0]) / 2, sum(axes[1]) / 2, "no loop", "center", part="names"))
    title = f"Loops: {title[:1].lower()}{title[1:]}"
    return _panel(title, layers, *axes, "death − birth")


def _panel(title: str, layers: list[Layer], x: Range, y: Range, what: str) -> Panel:
    return Panel(
        layers=tuple(layers),
        x_label="",
        y_label=f"{what}\n({entry('death').unit})",
        title=title,
        x_range=x,
        y_range=y,
    )


def _marks(rows: pd.DataFrame, look: Look, x: pd.Series[float], y: pd.Series[float]) -> list[Layer]:
    if rows.empty:
        return []
    hover = tuple(
        f"{look.label}: {row['tuned_task']}, {row['fine_tune']}\nstep {row['step']:.0f},"
        f" H{row['dimension']}: birth {row['birth']:.3g}, death {row['death']:.3g}, lasts"
        f" {row['death'] - row['birth']:.3g}"
        for row in rows.to_dict("records")
    )
    size, opacity = (5.5, 0.45) if len(rows) > _MANY else (7.5, 0.8)
    at = tuple(map(float, x)), tuple(map(float, y))
    return [replace(look.points(*at, size=size, hover=hover), opacity=opacity)]


def _ground(x: Range) -> Line:
    """The diagonal where what lasts is drawn: nothing lies on it."""
    return Line(x, (0.0, 0.0), theme.NEUTRAL, 1.2)


def _about(values: pd.Series[float]) -> Range:
    """An axis with a little room about all values."""
    low, high = float(values.min()), float(values.max())
    room = 2 * _ROOM * (high - low) or 0.1 * high
    return low - room, high + room


def _when(table: pd.DataFrame) -> str:
    if table["step"].nunique() == 1:
        return f" at step {int(table['step'].iloc[0])} of the fine-tune"
    return " at the first and the last look of the fine-tune"


def _of_what(tunes: pd.DataFrame) -> str:
    if len(tunes) == 1:
        one = tunes.iloc[0]
        return f"tuned on {one['tuned_task']} ({one['fine_tune']})"
    tasks = tunes["tuned_task"].unique()
    where = f"tuned on {tasks[0]}" if len(tasks) == 1 else f"{len(tasks)} tuned tasks"
    return f"{len(tunes)} fine-tunes pooled, {where}"
