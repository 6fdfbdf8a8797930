"""A figure before it is drawn: a finished table, its layers, labels with units, caption facts.

One `FigureSpec` is drawn on the screen by plotly and on paper by matplotlib; both draw every layer,
so the two cannot show different data. Nothing here computes a statistic: numbers arrive from
`sapo_analysis.analysis`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.csv_text import csv_text

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    from sapo_analysis.figures.render_matplotlib import Drawn
    from sapo_analysis.figures.stamp import Stamp
    from sapo_analysis.figures.venues import Page

Floats = tuple[float, ...]

PARTS = {
    "statistics": "the line of statistics above each panel",
    "slope": "slope with its 95 % band",
    "noise": "noise band of the seed",
    "marks": "marks of what was picked or learned",
    "names": "names beside points",
    "predicted": "the side that the claims predict",
    "intervals": "intervals and bands of uncertainty",
    "significance": "asterisks at differences that are significant",
    "numbers": "numbers in the cells",
    "legend": "the legend",
}
"""What a reader may leave out of a figure: a layer's `part`, a panel's subtitle, the legend."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What every layer has: the optional part that it belongs to (of `PARTS`); "": always drawn."""

    part: str = ""


@dataclass(frozen=True)
class Points(Mark):
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
class Line(Mark):
    """Straight pieces through the points, in the order given."""

    x: Floats
    y: Floats
    color: str
    width: float = 1.5  # points
    dash: Floats = ()  # lengths of pieces and gaps in turn (points); none: solid
    label: str | None = None


@dataclass(frozen=True)
class Band(Mark):
    """The area between two curves over x, such as the 95 % band of a slope."""

    x: Floats
    lower: Floats
    upper: Floats
    color: str
    opacity: float = 0.2
    label: str | None = None


@dataclass(frozen=True)
class Span(Mark):
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
class Intervals(Mark):
    """Horizontal bars from lower to upper at the heights y, such as confidence intervals."""

    y: Floats
    lower: Floats
    upper: Floats
    color: str
    width: float = 1.5  # points
    label: str | None = None
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bars(Mark):
    """Horizontal bars from 0 to the value at the heights y."""

    y: Floats
    x: Floats
    color: str
    label: str | None = None
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells(Mark):
    """A heat map, centred at 0; `faint` cells are hatched: noise may have made them. NaN: empty."""

    values: tuple[Floats, ...]  # rows from top to bottom
    limit: float  # the colour scale runs from -limit to limit
    unit: str
    faint: tuple[tuple[bool, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[tuple[str, ...], ...], ...] = ()
    hover: tuple[tuple[str, ...], ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether any cell has a text in it."""
        return any(text for row in self.texts for text in row)


@dataclass(frozen=True)
class Note(Mark):
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
    subtitle: str = ""  # statistics of the panel, above it, where they cover no point
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    x_ticks: Ticks | None = None
    y_ticks: Ticks | None = None
    x_zero: bool = False  # a thin line at 0
    y_zero: bool = False

    def without(self, parts: tuple[str, ...]) -> Panel:
        """The panel without some optional parts."""
        kept = (layer for layer in self.layers if layer.part not in parts or not layer.part)
        layers = tuple(
            replace(layer, texts=_blank(layer.texts))
            if isinstance(layer, Cells) and "numbers" in parts
            else layer
            for layer in kept
        )
        return replace(self, layers=layers, subtitle="" if "statistics" in parts else self.subtitle)


@dataclass(frozen=True)
class FigureSpec:
    """A figure, ready to be drawn by either renderer."""

    name: str
    panels: tuple[Panel, ...]
    table: pd.DataFrame  # the numbers behind the figure, one row per drawn mark
    caption: Caption
    alt: str  # one sentence for readers who cannot see the figure
    columns: int = 1  # panels per row; on narrow paper fewer
    height: int = 430  # pixels on the screen
    aspect: float = 0.62  # height by width of a panel on paper, where no rows give it a height
    wide: bool = False  # meant for the full width of a page, not for one of its columns
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

    @property
    def parts(self) -> tuple[str, ...]:
        """The optional parts that this figure has, in the order of `PARTS`."""
        has = {layer.part for panel in self.panels for layer in panel.layers}
        if any(panel.subtitle for panel in self.panels):
            has.add("statistics")
        if any(isinstance(layer, Cells) and layer.numbered for layer in self._layers):
            has.add("numbers")
        if self.legend and any(getattr(layer, "label", None) for layer in self._layers):
            has.add("legend")
        return tuple(name for name in PARTS if name in has)

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return tuple(layer for panel in self.panels for layer in panel.layers)

    def without(self, *parts: str) -> FigureSpec:
        """The figure without some of its optional parts; one that it does not have is no loss.

        Raises:
            InputError: no part has such a name.
        """
        for name in parts:
            if name not in PARTS:
                raise unknown("part of a figure", name, list(PARTS))
        panels = tuple(panel.without(parts) for panel in self.panels)
        legend = self.legend and "legend" not in parts
        return replace(self, panels=panels, legend=legend, caption=self.caption.without(parts))

    def to_plotly(self) -> go.Figure:
        """The figure for the screen; transparent, so it follows the page's theme."""
        from sapo_analysis.figures.render_plotly import render

        return render(self)

    def page(self, venue: str = "icml", width: str | float | None = None, font: str = "") -> Page:
        """The paper it is drawn on: a venue's column, or its full width where the figure is wide.

        Args:
            venue: a name of `VENUES`.
            width: `column`, `full`, a length as `8.4cm` or `3.3in`, or a number of inches; None:
                what suits the figure.
            font: `serif` or `sans`; "": what the venue's text is set in.
        """
        from sapo_analysis.figures.venues import page

        usual = "full" if self.wide else "column"
        return page(venue, usual if width is None else width, font)

    def to_matplotlib(
        self, venue: str | Page = "icml", width: str | float | None = None, font: str = ""
    ) -> Figure:
        """The figure for paper; `venue`, `width` and `font` as in `page`, or a page itself.

        Its `savefig` keeps the page's settings: TrueType fonts, text as text in SVG.
        """
        from sapo_analysis.figures.render_matplotlib import render

        return render(self, self.page(venue, width, font) if isinstance(venue, str) else venue)

    def drawn(
        self, venue: str | Page = "icml", width: str | float | None = None, font: str = ""
    ) -> Drawn:
        """The figure drawn once for paper: files of several kinds, and what could not be read.

        Raises:
            InputError: the font lacks a character.
        """
        from sapo_analysis.figures.render_matplotlib import draw

        return draw(self, self.page(venue, width, font) if isinstance(venue, str) else venue)

    def to_bytes(
        self,
        kind: str,
        venue: str | Page = "icml",
        width: str | float | None = None,
        font: str = "",
        stamp: Stamp | None = None,
    ) -> bytes:
        """The paper figure as a file: `pdf`, `svg` or `png`. The same data gives the same bytes.

        Args:
            kind: the format.
            venue: as in `to_matplotlib`.
            width: as in `page`.
            font: as in `page`.
            stamp: where its numbers come from, written into the file; without it nothing is.

        Raises:
            InputError: another kind is asked for, or the font lacks a character.
        """
        from sapo_analysis.figures.render_matplotlib import to_bytes

        on = self.page(venue, width, font) if isinstance(venue, str) else venue
        return to_bytes(self, kind, on, stamp)

    def to_csv(self) -> str:
        """The table as CSV; a cell that a spreadsheet would run as a formula gets a quote."""
        return csv_text(self.table)


def _blank(texts: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple("" for _ in row) for row in texts)


def require_columns(table: pd.DataFrame, columns: tuple[str, ...], maker: str) -> None:
    """Reject a table that `maker` did not make.

    Raises:
        InputError: a column is missing; the missing ones and the maker are named.
    """
    missing = [column for column in columns if column not in getattr(table, "columns", ())]
    if missing:
        raise InputError(f"The table has no column {', '.join(missing)}. Make it with {maker}.")
