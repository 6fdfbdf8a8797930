"""How each layer of a panel is drawn on paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.text import Annotation

from sapo_analysis.figures.paper_text import lines, text
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
)
from sapo_analysis.figures.theme import DIVERGING, HATCH, HATCH_OPACITY, INK
from sapo_analysis.figures.venues import POINTS_PER_INCH, Page

MARKERS = {
    "circle": "o",
    "square": "s",
    "plus": "P",
    "x": "X",
    "triangle-down": "v",
    "pentagon": "p",
    "hexagon": "h",
    "triangle-left": "<",
    "triangle-up": "^",
    "star": "*",
    "diamond": "D",
    "arrow-up": "^",
    "arrow-down": "v",
    "arrow-left": "<",
    "arrow-right": ">",
}
SCREEN_TO_PAPER = 0.55
"""Marker sizes are given for the screen; so large are they on a page of `ROOMY` points or wider."""
ROOMY = 5 * POINTS_PER_INCH
LEAST_MARKER = 0.75
"""Of that, what markers have at least on narrower pages, where as many share less room."""
MOST_VECTORS = 2_000
"""Points beyond which a layer of many is an image inside the vector file: a viewer draws it at once
and a file stays small. Axes, texts and lines stay vectors."""
STROKES = "_strokes in cells"
"""What strokes that carry no data of their own are called; the legend leaves it out."""
RULE_HALF, RULE_UNDER = 0.22, 0.34
"""Of the stroke in a cell below 0: half its length, and how far under the middle of a number."""
HATCHED = ((-0.46, 0.1), (-0.1, 0.46))
"""Ends of the strokes through a faint cell, beside the number in its middle."""
_MANY = 200  # points of a layer, below which it stays vectors even so


@dataclass(frozen=True)
class Noted:
    """A note, and how it is drawn."""

    note: Note
    drawn: Annotation


@dataclass
class Drawn:
    """What others have to know of a panel's layers.

    Attributes:
        scales: the cells of each colour scale, by its limit and unit.
        notes: texts in the panel.
    """

    scales: dict[tuple[float, str], QuadMesh] = field(default_factory=dict)
    notes: list[Noted] = field(default_factory=list)


def draw_layers(axes: Axes, spec: FigureSpec, panel: Panel, page: Page) -> Drawn:
    """Draw all layers of a panel."""
    drawn = Drawn()
    as_images = _n_points(spec) > MOST_VECTORS
    for layer in panel.layers:
        if isinstance(layer, Cells):
            drawn.scales[layer.limit, layer.unit] = _cells(axes, layer, page)
        elif isinstance(layer, Points):
            as_image = as_images and len(layer.x) > _MANY
            _points(axes, layer, page, as_image, whole=_inside(panel, layer))
        elif isinstance(layer, Note):
            drawn.notes.append(Noted(layer, _note(axes, layer, page)))
        else:
            DRAW[type(layer)](axes, layer)
    return drawn


def _n_points(spec: FigureSpec) -> int:
    return sum(len(a.x) for panel in spec.panels for a in panel.layers if isinstance(a, Points))


def _inside(panel: Panel, layer: Points) -> bool:
    """Whether no point lies beyond the panel: markers at its edge are then drawn whole."""
    return not any(
        shown is not None and any(v < min(shown) or v > max(shown) for v in values)
        for shown, values in ((panel.x_range, layer.x), (panel.y_range, layer.y))
    )


def marker_size(layer: Points, page: Page) -> float:
    """How large a layer's markers are (points)."""
    narrow = min(max(page.points / ROOMY, LEAST_MARKER), 1.0)
    return layer.size * SCREEN_TO_PAPER * narrow * (1.5 if layer.marker == "star" else 1.0)


def _points(axes: Axes, layer: Points, page: Page, as_image: bool, whole: bool) -> None:
    axes.scatter(
        layer.x,
        layer.y,
        s=marker_size(layer, page) ** 2,
        marker=MARKERS[layer.marker],
        facecolors="none" if layer.hollow else layer.color,
        edgecolors=layer.color if layer.hollow else "white",
        linewidths=0.9 if layer.hollow else 0.3,
        alpha=layer.opacity,
        label=_label(layer.label),
        zorder=3,
        rasterized=as_image,
        clip_on=not whole,
    )


def _line(axes: Axes, layer: Line) -> None:
    axes.plot(
        layer.x,
        layer.y,
        color=layer.color,
        lw=layer.width,
        ls=(0, layer.dash) if layer.dash else "-",
        label=_label(layer.label),
        zorder=2,
    )


def _band(axes: Axes, layer: Band) -> None:
    axes.fill_between(
        layer.x,
        layer.lower,
        layer.upper,
        color=layer.color,
        alpha=layer.opacity,
        lw=0,
        label=_label(layer.label),
    )


def _span(axes: Axes, layer: Span) -> None:
    span = axes.axhspan if layer.axis == "y" else axes.axvspan
    if layer.dashed:
        style: dict[str, Any] = {"fc": (0, 0, 0, 0), "ec": layer.color, "ls": "--", "lw": 0.7}
    else:
        style = {"fc": layer.color, "alpha": layer.opacity, "lw": 0}
    span(layer.lower, layer.upper, zorder=0, label=_label(layer.label), **style)


def _intervals(axes: Axes, layer: Intervals) -> None:
    axes.hlines(
        layer.y,
        layer.lower,
        layer.upper,
        colors=layer.color,
        lw=layer.width,
        label=_label(layer.label),
        zorder=2,
    )


def _bars(axes: Axes, layer: Bars) -> None:
    axes.barh(layer.y, layer.x, height=0.65, color=layer.color, label=_label(layer.label))


def _cells(axes: Axes, layer: Cells, page: Page) -> QuadMesh:
    colors = LinearSegmentedColormap.from_list("centred", DIVERGING)
    values = np.array(layer.values, dtype=float)
    edges_x = np.arange(values.shape[1] + 1) - 0.5
    edges_y = np.arange(values.shape[0] + 1) - 0.5
    mesh = axes.pcolormesh(
        edges_x, edges_y, values, cmap=colors, vmin=-layer.limit, vmax=layer.limit, ec="white"
    )
    hatching, rules = [], []
    for i, row in enumerate(layer.texts):
        for j, label in enumerate(row):
            if label and not math.isnan(values[i, j]):
                axes.text(j, i, text(label), ha="center", va="center", fontsize=page.tiny)
            # In grey print blue and orange are alike.
            if values[i, j] < 0 and not label.startswith("\N{MINUS SIGN}"):
                y = i + (RULE_UNDER if label else 0.0)
                rules.append([(j - RULE_HALF, y), (j + RULE_HALF, y)])
            if layer.faint[i][j]:
                hatching += [[(j + a, i + b), (j + b, i + a)] for a, b in HATCHED]
    looks: list[tuple[list[Any], dict[str, Any]]] = [
        (hatching, {"colors": HATCH, "alpha": HATCH_OPACITY, "lw": 0.4}),
        (rules, {"colors": INK, "lw": 0.5}),
    ]
    for strokes, style in looks:
        axes.add_collection(LineCollection(strokes, label=STROKES, **style), autolim=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    return mesh


def _note(axes: Axes, layer: Note, page: Page) -> Annotation:
    return axes.annotate(
        text(layer.text),
        (layer.x, layer.y),
        (layer.shift * SCREEN_TO_PAPER, 0),
        textcoords="offset points",
        ha=layer.anchor,
        va="center",
        fontsize=page.tiny,
        zorder=4,
        **lines(page),
    )


DRAW: dict[type[Layer], Callable[[Axes, Any], None]] = {
    Line: _line,
    Band: _band,
    Span: _span,
    Intervals: _intervals,
    Bars: _bars,
}


def _label(label: str | None) -> str:
    # matplotlib leaves labels that begin with an underscore out of the legend, user text or not.
    return "_nolegend_" if label is None else text(label).lstrip("_") or "_nolegend_"
