"""`FigureSpec` → plotly, for the screen.

Every text is escaped: plotly obeys some HTML in labels and hovers.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sapo_analysis.figures.spec import (
    Band,
    Bars,
    Cells,
    FigureSpec,
    Intervals,
    Layer,
    Line,
    Note,
    Panel,
    Points,
    Span,
    Ticks,
)
from sapo_analysis.figures.theme import (
    BLUE,
    CLEAR,
    DIVERGING,
    HATCH,
    HATCH_OPACITY,
    INK,
    NEUTRAL,
    WHITE,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

SYMBOLS = {
    "circle": "circle",
    "square": "square",
    "plus": "cross",
    "x": "x",
    "triangle-down": "triangle-down",
    "pentagon": "pentagon",
    "hexagon": "hexagon",
    "triangle-left": "triangle-left",
    "triangle-up": "triangle-up",
    "star": "star",
    "diamond": "diamond",
    "arrow-up": "arrow-up",
    "arrow-down": "arrow-down",
    "arrow-left": "arrow-left",
    "arrow-right": "arrow-right",
}
GL_FROM = 5_000
"""Points beyond which WebGL draws them: as SVG so many are slow to draw and to drag."""

X_TITLE: dict[str, Any] = {"x": 0.5, "y": 0, "yanchor": "top", "yshift": -28}
Y_TITLE: dict[str, Any] = {"x": 0, "y": 0.5, "xanchor": "right", "textangle": -90}
"""Where the titles of all panels stand: beside the panels, in pixels."""

SUBTITLE_SIZE, SUBTITLE_LINE = 12, 15
"""Letters of the statistics above a panel and the height of their lines (pixels)."""
LETTERS_ACROSS = 90
"""Letters of the statistics that stand beside each other over all panels of a row."""

GRID_OPACITY = 0.18


def render(spec: FigureSpec) -> go.Figure:
    """Draw every layer of every panel; plotly checks every property of what `drawn` gives."""
    import plotly.graph_objects as go

    return go.Figure(drawn(spec))


def drawn(spec: FigureSpec) -> dict[str, Any]:
    """The same as plain data: made and checked by plotly, 10,000 points take it a second."""
    canvas = _Canvas()
    rows = math.ceil(len(spec.panels) / spec.columns)
    # Where each panel names its rows, the names need room between the panels.
    gap = 0.1 if spec.names_rows_once else 0.3
    across = _domains(spec.columns, gap / spec.columns if spec.columns > 1 else 0.0)
    down = _domains(rows, 0.42 / rows if rows > 1 else 0.0)[::-1]
    many = sum(len(p.x) for q in spec.panels for p in q.layers if isinstance(p, Points)) > GL_FROM
    for index, panel in enumerate(spec.panels):
        number = "" if index == 0 else str(index + 1)
        place = _Place(number, across[index % spec.columns], down[index // spec.columns], many)
        for layer in panel.layers:
            if isinstance(layer, Note):  # of annotations plotly wants the log
                x = math.log10(layer.x) if panel.x_log else layer.x
                y = math.log10(layer.y) if panel.y_log else layer.y
                layer = replace(layer, x=x, y=y)
            canvas.draw(layer, place)
        named = not spec.names_rows_once or index % spec.columns == 0
        canvas.axes(panel, place, named)
        canvas.above(panel, place, spec.columns)
    beside = {**Y_TITLE, "xshift": -_left_of_title(spec)}
    for title, where in ((spec.x_title, X_TITLE), (spec.y_title, beside)):
        if title:
            canvas.note(title, xref="paper", yref="paper", **where)
    return {"data": canvas.traces, "layout": _layout(spec, canvas)}


def _left_of_title(spec: FigureSpec) -> int:
    """Pixels that numbers or names of rows take between the panels and the title beside them."""
    names = [name for p in spec.panels if p.y_ticks is not None for name in p.y_ticks.labels]
    return max([26, *(10 + 8 * len(name) for name in names)])


def _domains(n: int, gap: float) -> list[tuple[float, float]]:
    """`n` equal parts of the figure with gaps between them, as shares of its size."""
    size = (1 - gap * (n - 1)) / n
    return [(i * (size + gap), i * (size + gap) + size) for i in range(n)]


def _layout(spec: FigureSpec, canvas: _Canvas) -> dict[str, Any]:
    first_row = spec.panels[: spec.columns]
    said = max((_lines(panel, spec.columns) for panel in first_row), default=0) * SUBTITLE_LINE
    above = said + (24 if any(panel.title for panel in spec.panels) else 0)
    # Above the plot, where it covers no point, and above what stands over the panels.
    legend_y = 1 + (above + 10) / max(spec.height - 130, 100) if above else 1.01
    return {
        **canvas.layout,
        "annotations": canvas.annotations,
        "shapes": canvas.shapes,
        "height": spec.height,
        "showlegend": spec.legend,
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": legend_y,
            "x": 0,
            "font": {"size": 12},
        },
        "margin": {
            "l": 36 + _left_of_title(spec) if spec.y_title else 10,
            "r": 14,
            "t": above + 10,
            "b": 52 if spec.x_title else 10,
        },
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "hoverlabel": {"align": "left", "namelength": 0},
        "font": {"size": 13},
        "bargap": 0.35,
        "modebar": {"bgcolor": CLEAR, "color": NEUTRAL, "activecolor": BLUE},
    }


def _broken(subtitle: str, columns: int) -> str:
    """The statistics in lines that stand beside those of the other panels of the row."""
    most = min(LETTERS_ACROSS // columns, 64)  # alone in its row it still has to fit on a phone
    return "\n".join(part for line in subtitle.split("\n") for part in textwrap.wrap(line, most))


def _lines(panel: Panel, columns: int) -> int:
    return _broken(panel.subtitle, columns).count("\n") + 1 if panel.subtitle else 0


def text(plain: str) -> str:
    """Plain text for a plotly label: markup is shown, not obeyed; line ends are kept."""
    return html.escape(plain, quote=False).replace("\n", "<br>")


def _legend(label: str | None, listed: set[str]) -> dict[str, Any]:
    """A label is listed once, however many layers carry it; a click hides them together."""
    if label is None:
        return {"showlegend": False}
    first = label not in listed
    listed.add(label)
    return {"name": text(label), "legendgroup": label, "showlegend": first}


def _points(layer: Points, listed: set[str], many: bool = False) -> dict[str, Any]:
    symbol = SYMBOLS[layer.marker] + ("-open" if layer.hollow else "")
    if layer.hollow:
        edge = {"width": 1.6, "color": layer.color}
    else:
        edge = {"width": 0.6, "color": rgba(WHITE, 0.8)}
    return dict(
        type="scattergl" if many else "scatter",
        x=layer.x,
        y=layer.y,
        mode="markers",
        marker={
            "symbol": symbol,
            "size": layer.size,
            "color": layer.color,
            "opacity": layer.opacity,
            "line": edge,
        },
        # The page is told which prompt was chosen, never which row: rows move.
        customdata=layer.keys or None,
        **_hover(layer.hover),
        **_legend(layer.label, listed),
    )


def _hover(hover: tuple[str, ...]) -> dict[str, Any]:
    if not hover:
        return {"hoverinfo": "skip"}
    return {"hovertext": [text(t) for t in hover], "hoverinfo": "text"}


def _line(layer: Line, listed: set[str]) -> dict[str, Any]:
    return dict(
        type="scatter",
        x=layer.x,
        y=layer.y,
        mode="lines",
        line={
            "color": layer.color,
            "width": layer.width * 1.3,
            "dash": ",".join(f"{1.3 * length:g}px" for length in layer.dash) or "solid",
        },
        hoverinfo="skip",
        **_legend(layer.label, listed),
    )


def _band(layer: Band, listed: set[str]) -> dict[str, Any]:
    return dict(
        type="scatter",
        x=layer.x + layer.x[::-1],
        y=layer.upper + layer.lower[::-1],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=rgba(layer.color, layer.opacity),
        hoverinfo="skip",
        **_legend(layer.label, listed),
    )


def _intervals(layer: Intervals, listed: set[str]) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for height, lower, upper in zip(layer.y, layer.lower, layer.upper, strict=True):
        x += [lower, upper, None]
        y += [height, height, None]
    return dict(
        type="scatter",
        x=x,
        y=y,
        mode="lines",
        line={"color": layer.color, "width": layer.width * 1.3},
        hoverinfo="skip",
        **_legend(layer.label, listed),
    )


def _bars(layer: Bars, listed: set[str]) -> dict[str, Any]:
    return dict(
        type="bar",
        x=layer.x,
        y=layer.y,
        orientation="h",
        marker={"color": layer.color, "line": {"width": 0}},
        **_hover(layer.hover),
        **_legend(layer.label, listed),
    )


def _cells(layer: Cells) -> dict[str, Any]:
    return dict(
        type="heatmap",
        z=[[None if math.isnan(v) else v for v in row] for row in layer.values],
        x=list(range(len(layer.values[0]))),
        y=list(range(len(layer.values))),
        zmin=-layer.limit,
        zmax=layer.limit,
        colorscale=[list(stop) for stop in DIVERGING],
        colorbar={
            "title": {"text": text(layer.unit), "side": "right", "font": {"size": 12}},
            "thickness": 12,
            "len": 0.9,
        },
        hovertext=[[text(t) for t in row] for row in layer.hover] if layer.hover else None,
        hoverinfo="text" if layer.hover else "skip",
        customdata=[[list(k) for k in row] for row in layer.keys] if layer.keys else None,
        text=[[text(t) for t in row] for row in layer.texts],
        texttemplate="%{text}",
        textfont={"size": 11, "color": INK},
        xgap=2,
        ygap=2,
    )


TRACES: dict[type, Callable[[Any, set[str]], Any]] = {
    Line: _line,
    Band: _band,
    Intervals: _intervals,
    Bars: _bars,
}


@dataclass(frozen=True)
class _Place:
    """Where a panel stands: the number of its axes, and its part of the figure across and down."""

    number: str
    across: tuple[float, float]
    down: tuple[float, float]
    many: bool

    @property
    def x(self) -> str:
        return f"x{self.number}"

    @property
    def y(self) -> str:
        return f"y{self.number}"


@dataclass
class _Canvas:
    """What is drawn so far; `listed`, `scales`: what legend and colour scales have already."""

    traces: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    scales: set[tuple[float, str]] = field(default_factory=set)

    def draw(self, layer: Layer, place: _Place) -> None:
        if isinstance(layer, Points):
            self.trace(_points(layer, self.listed, place.many), place)
        elif isinstance(layer, Cells):
            scale = layer.limit, layer.unit  # one for all panels that share it
            self.trace({**_cells(layer), "showscale": scale not in self.scales}, place)
            self.scales.add(scale)
            if (hatching := _hatching(layer)) is not None:
                self.trace(hatching, place)
        elif isinstance(layer, Span):
            self.shapes.append(_span(layer, place))
            if layer.label is not None:
                self.trace(_swatch(layer, layer.label, self.listed), place)
        elif isinstance(layer, Note):
            here: dict[str, Any] = {"x": layer.x, "y": layer.y, "xref": place.x, "yref": place.y}
            here |= {"xanchor": layer.anchor, "xshift": layer.shift}
            self.note(layer.text, **here, font={"size": 11})
        else:
            self.trace(TRACES[type(layer)](layer, self.listed), place)

    def trace(self, trace: dict[str, Any], place: _Place) -> None:
        self.traces.append({**trace, "xaxis": place.x, "yaxis": place.y})

    def note(self, plain: str, **where: Any) -> None:
        self.annotations.append({"text": text(plain), "showarrow": False, **where})

    def axes(self, panel: Panel, place: _Place, named: bool = True) -> None:
        x, y = _axes(panel)
        if not named:
            y["showticklabels"] = False
        self.layout[f"xaxis{place.number}"] = {**x, "domain": place.across, "anchor": place.y}
        self.layout[f"yaxis{place.number}"] = {**y, "domain": place.down, "anchor": place.x}

    def above(self, panel: Panel, place: _Place, columns: int) -> None:
        """The panel's title and below it its statistics."""
        paper = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
        here: dict[str, Any] = {**paper, "x": sum(place.across) / 2, "y": place.down[1]}
        if panel.title:
            up = _lines(panel, columns) * SUBTITLE_LINE
            self.note(panel.title, **here, yshift=up, font={"size": 15})
        if panel.subtitle:
            self.note(_broken(panel.subtitle, columns), **here, font={"size": SUBTITLE_SIZE})


def _hatching(layer: Cells) -> dict[str, Any] | None:
    """Three strokes through each faint cell, as plotly cannot hatch one: all in one trace."""
    x: list[float | None] = []
    y: list[float | None] = []
    for i, row in enumerate(layer.faint):
        for j, crossed in enumerate(row):
            for k in (-0.46, 0.0, 0.46) if crossed else ():
                low, high = max(-0.46, k - 0.46), min(0.46, k + 0.46)
                x += [j + low, j + high, None]
                y += [i + k - low, i + k - high, None]
    if not x:
        return None
    line = {"color": rgba(HATCH, HATCH_OPACITY), "width": 1}
    return dict(
        type="scatter", x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False
    )


def _span(layer: Span, place: _Place) -> dict[str, Any]:
    along, across = ("y", "x") if layer.axis == "y" else ("x", "y")
    if layer.dashed:
        style: dict[str, Any] = {
            "line": {"dash": "dash", "width": 1.2, "color": layer.color},
            "fillcolor": rgba(layer.color, 0.05),
        }
    else:
        style = {"line": {"width": 0}, "fillcolor": rgba(layer.color, layer.opacity)}
    return {
        "type": "rect",
        "layer": "below",
        f"{along}ref": f"{along}{place.number}",
        f"{along}0": layer.lower,
        f"{along}1": layer.upper,
        f"{across}ref": f"{across}{place.number} domain",
        f"{across}0": 0,
        f"{across}1": 1,
        **style,
    }


def _swatch(layer: Span, label: str, listed: set[str]) -> dict[str, Any]:
    """Shapes have no legend entry of their own that follows the theme."""
    swatch: dict[str, Any] = {
        "symbol": "square",
        "size": 12,
        "color": rgba(layer.color, 0.05 if layer.dashed else 0.35),
        "line": {"width": 1, "color": layer.color},
    }
    return {
        **{"type": "scatter", "x": [None], "y": [None], "mode": "markers", "marker": swatch},
        **{"hoverinfo": "skip", **_legend(label, listed)},
    }


def _axes(panel: Panel) -> tuple[dict[str, Any], dict[str, Any]]:
    common: dict[str, Any] = {
        "gridcolor": rgba(NEUTRAL, GRID_OPACITY),
        "zerolinecolor": NEUTRAL,
        "zerolinewidth": 1,
        "automargin": True,
    }
    x: dict[str, Any] = {
        **common,
        "title": {"text": text(panel.x_label), "standoff": 8},
        "zeroline": panel.x_zero,
    }
    y: dict[str, Any] = {
        **common,
        "title": {"text": text(panel.y_label), "standoff": 8},
        "zeroline": panel.y_zero,
    }
    for axis, is_log, ends in ((x, panel.x_log, panel.x_range), (y, panel.y_log, panel.y_range)):
        if is_log:
            axis["type"] = "log"
        if ends is not None:
            axis["range"] = [math.log10(v) for v in ends] if is_log else list(ends)
        if ends is not None and is_log and len(places := _on_log_scale(*ends)) > 2:
            axis |= {"tickmode": "array", "tickvals": places}
            axis["ticktext"] = [f"{place:g}" for place in places]
    for axis, ticks in ((x, panel.x_ticks), (y, panel.y_ticks)):
        if ticks is not None:
            axis |= _ticks(ticks)
    return x, y


def _on_log_scale(low: float, high: float) -> list[float]:
    """Ones, twos and fives of each power of ten in a range, as paper has them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [float(f"{m}e{power}") for power in powers for m in (1, 2, 5)]
    return [place for place in places if low <= place <= high]


def _ticks(ticks: Ticks) -> dict[str, Any]:
    return {
        "tickmode": "array",
        "tickvals": list(ticks.places),
        "ticktext": [text(t) for t in ticks.labels],
        "showgrid": False,
    }


def rgba(color: str, opacity: float) -> str:
    """A `#RRGGBB` colour with an opacity."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
