"""How each layer of a panel is drawn on paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.text import Text

from sapo_analysis.figures.paper_text import text
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
from sapo_analysis.figures.theme import DIVERGING
from sapo_analysis.figures.venues import Page

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
SCREEN_TO_PAPER = 0.55  # marker sizes are given for the screen
MOST_VECTORS = 2_000
"""Points beyond which a layer of many is an image inside the vector file: a viewer draws it at once
and a file stays small. Axes, texts and lines stay vectors."""
_MANY = 200  # points of a layer, below which it stays vectors even so


@dataclass
class Drawn:
    """What others have to know of a panel's layers.

    Attributes:
        scales: the cells of each colour scale, by its limit and unit.
        notes: texts in the panel, with the part of the figure that each belongs to.
    """

    scales: dict[tuple[float, str], QuadMesh] = field(default_factory=dict)
    notes: list[tuple[Text, str]] = field(default_factory=list)


def draw_layers(axes: Axes, spec: FigureSpec, panel: Panel, page: Page) -> Drawn:
    """Draw all layers of a panel."""
    drawn = Drawn()
    as_images = _n_points(spec) > MOST_VECTORS
    for layer in panel.layers:
        if isinstance(layer, Cells):
            drawn.scales[layer.limit, layer.unit] = _cells(axes, layer, page)
        elif isinstance(layer, Points):
            _points(axes, layer, rasterized=as_images and len(layer.x) > _MANY)
        elif isinstance(layer, Note):
            drawn.notes.append((_note(axes, layer, page), layer.part))
        else:
            DRAW[type(layer)](axes, layer)
    return drawn


def _n_points(spec: FigureSpec) -> int:
    return sum(len(a.x) for panel in spec.panels for a in panel.layers if isinstance(a, Points))


def _points(axes: Axes, layer: Points, rasterized: bool = False) -> None:
    size = (layer.size * SCREEN_TO_PAPER * (1.5 if layer.marker == "star" else 1.0)) ** 2
    axes.scatter(
        layer.x,
        layer.y,
        s=size,
        marker=MARKERS[layer.marker],
        facecolors="none" if layer.hollow else layer.color,
        edgecolors=layer.color if layer.hollow else "white",
        linewidths=0.9 if layer.hollow else 0.3,
        alpha=layer.opacity,
        label=_label(layer.label),
        zorder=3,
        rasterized=rasterized,
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
    boxes = []
    for i, row in enumerate(layer.texts):
        for j, label in enumerate(row):
            if not layer.numbered and values[i, j] < 0:
                label = "\N{MINUS SIGN}"  # in grey print blue and orange are alike
            if label and not math.isnan(values[i, j]):
                axes.text(j, i, text(label), ha="center", va="center", fontsize=page.tiny)
            if layer.faint[i][j]:
                boxes.append(
                    [(j - 0.5, i - 0.5), (j + 0.5, i - 0.5), (j + 0.5, i + 0.5), (j - 0.5, i + 0.5)]
                )
    axes.add_collection(
        PolyCollection(boxes, facecolors="none", edgecolors="#50505073", hatch="///", lw=0)
    )
    return mesh


def _note(axes: Axes, layer: Note, page: Page) -> Text:
    return axes.annotate(
        text(layer.text),
        (layer.x, layer.y),
        (layer.shift * SCREEN_TO_PAPER, 0),
        textcoords="offset points",
        ha=layer.anchor,
        va="center",
        fontsize=page.tiny,
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
