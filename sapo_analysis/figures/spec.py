"""A figure before it is drawn: a finished table, its layers, labels with units, caption facts.

One `FigureSpec` is drawn on the screen by plotly and on paper by matplotlib; both draw every layer,
so the two cannot show different data. Nothing here computes a statistic: numbers arrive from
`sapo_analysis.analysis`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from sapo_analysis.errors import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

Floats = tuple[float, ...]


@dataclass(frozen=True)
class Points:
    """Markers. `keys` names each point for the page; `hover` is plain text, escaped when drawn."""

    x: Floats
    y: Floats
    color: str
    marker: str = "circle"
    size: float = 9.0  # points
    hollow: bool = False
    opacity: float = 1.0
    label: str | None = None  # in the legend; None: not listed
    keys: tuple[tuple[str, ...], ...] = ()
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """Straight pieces through the points, in the order given."""

    x: Floats
    y: Floats
    color: str
    width: float = 1.5  # points
    dash: Floats = ()  # lengths of pieces and gaps in turn (points); none: solid
    label: str | None = None


@dataclass(frozen=True)
class Band:
    """The area between two curves over x, such as the 95 % band of a slope."""

    x: Floats
    lower: Floats
    upper: Floats
    color: str
    opacity: float = 0.2
    label: str | None = None


@dataclass(frozen=True)
class Span:
    """The area between two values of one axis, across the whole panel."""

    axis: str  # x or y
    lower: float
    upper: float
    color: str
    opacity: float = 0.15
    dashed: bool = (
        False  # outlined with dashes instead of filled: the limits themselves are uncertain
    )
    label: str | None = None


@dataclass(frozen=True)
class Intervals:
    """Horizontal bars from lower to upper at the heights y, such as confidence intervals."""

    y: Floats
    lower: Floats
    upper: Floats
    color: str
    width: float = 1.5  # points
    label: str | None = None
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0 to the value at the heights y."""

    y: Floats
    x: Floats
    color: str
    label: str | None = None
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """A heat map, centred at 0; `faint` cells are hatched: noise may have made them. NaN: empty."""

    values: tuple[Floats, ...]  # rows from top to bottom
    limit: float  # the colour scale runs from -limit to limit
    unit: str
    faint: tuple[tuple[bool, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[tuple[str, ...], ...], ...] = ()
    hover: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Note:
    """A short text at a place in the panel."""

    x: float
    y: float
    text: str
    anchor: str = "left"  # which side of the text stands at x: left, center or right
    gap: float = 0.0  # kept clear between x and the text (points)

    @property
    def shift(self) -> float:
        """How far right of x the anchored side of the text stands (points)."""
        return {"left": self.gap, "right": -self.gap}.get(self.anchor, 0.0)


Layer = Points | Line | Band | Span | Intervals | Bars | Cells | Note


@dataclass(frozen=True)
class Ticks:
    """Named places on an axis."""

    places: Floats
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes. Labels carry unit and direction."""

    layers: tuple[Layer, ...]
    x_label: str
    y_label: str
    title: str = ""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    x_ticks: Ticks | None = None
    y_ticks: Ticks | None = None
    x_zero: bool = False  # a thin line at 0
    y_zero: bool = False


@dataclass(frozen=True)
class FigureSpec:
    """A figure, ready to be drawn by either renderer."""

    name: str
    panels: tuple[Panel, ...]
    table: pd.DataFrame  # the numbers behind the figure, one row per drawn mark
    caption: Mapping[str, Any]  # facts a caption needs: n, tests, definitions
    alt: str  # one sentence for readers who cannot see the figure
    columns: int = 1  # panels per row
    height: int = 430  # pixels on the screen
    aspect: float = 0.62  # height by width on paper
    legend: bool = True
    x_title: str = ""  # of all panels together, which then have no labels of their own
    y_title: str = ""

    @property
    def names_rows_once(self) -> bool:
        """Whether all panels have the same named rows: those on the left name them for all."""
        first = self.panels[0]
        rows = (first.y_ticks, first.y_range)
        return (
            self.columns > 1
            and first.y_ticks is not None
            and all((panel.y_ticks, panel.y_range) == rows for panel in self.panels)
        )

    def to_plotly(self) -> go.Figure:
        """The figure for the screen; transparent, so it follows the page's theme."""
        from sapo_analysis.figures.render_plotly import render

        return render(self)

    def to_matplotlib(self, width: float = 6.75) -> Figure:
        """The figure for paper, `width` inches wide."""
        from sapo_analysis.figures.render_matplotlib import render

        return render(self, width)

    def to_bytes(self, kind: str, width: float = 6.75) -> bytes:
        """The paper figure as a file: `pdf`, `svg` or `png`. The same data gives the same bytes."""
        from sapo_analysis.figures.render_matplotlib import to_bytes

        return to_bytes(self, kind, width)

    def to_csv(self) -> str:
        """The table as CSV; a cell that a spreadsheet would run as a formula gets a quote."""
        table = self.table.copy()
        for column in table.columns:
            if not pd.api.types.is_numeric_dtype(table[column]):
                table[column] = table[column].map(_inert)
        return table.to_csv(index=False)


def _inert(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def require_columns(table: pd.DataFrame, columns: tuple[str, ...], maker: str) -> None:
    """Reject a table that `maker` did not make.

    Raises:
        InputError: a column is missing; the missing ones and the maker are named.
    """
    missing = [column for column in columns if column not in getattr(table, "columns", ())]
    if missing:
        raise InputError(f"The table has no column {', '.join(missing)}. Make it with {maker}.")
