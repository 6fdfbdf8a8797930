"""`FigureSpec` → matplotlib, for paper. No pyplot: nothing global is touched."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from sapo_analysis.errors import unknown
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
from sapo_analysis.figures.theme import DIVERGING, NEUTRAL

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
# Venues refuse Type 3 fonts, and 42 embeds TrueType; SVG text stays text.
STYLE: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "sapo_analysis",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "savefig.dpi": 200,
}
SCREEN_TO_PAPER = 0.55  # marker sizes are given for the screen


def render(spec: FigureSpec, width: float) -> Figure:
    """Draw every layer of every panel on a page `width` inches wide."""
    rows = math.ceil(len(spec.panels) / spec.columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, width * spec.aspect), layout="constrained")
        grid = figure.subplots(rows, spec.columns, squeeze=False)
        for index, (axes, panel) in enumerate(zip(grid.flat, spec.panels, strict=False)):
            for layer in panel.layers:
                DRAW[type(layer)](axes, layer)
            _axes(axes, panel)
            if spec.names_rows_once and index % spec.columns:
                axes.tick_params(axis="y", labelleft=False)
        if spec.x_title:
            figure.supxlabel(text(spec.x_title), fontsize=8)
        if spec.y_title:
            figure.supylabel(text(spec.y_title), fontsize=8, multialignment="center")
        for axes in grid.flat[len(spec.panels) :]:
            axes.set_visible(False)
        if spec.legend:
            _legend(figure, grid.flat[0] if len(spec.panels) == 1 else None)
    return figure


def to_bytes(spec: FigureSpec, kind: str, width: float) -> bytes:
    """The figure as pdf, svg or png, without a date, so that equal data gives equal bytes.

    Raises:
        InputError: another kind is asked for.
    """
    if kind not in ("pdf", "svg", "png"):
        raise unknown("figure format", kind, ["pdf", "svg", "png"])
    dates: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = render(spec, width)
        figure.savefig(buffer, format=kind, metadata={**dates[kind], "Title": spec.name})
    return buffer.getvalue()


def text(plain: str) -> str:
    """Plain text for matplotlib: a dollar sign would start mathematics."""
    return plain.replace("$", r"\$")


def _points(axes: Axes, layer: Points) -> None:
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


def _cells(axes: Axes, layer: Cells) -> None:
    colors = LinearSegmentedColormap.from_list("centred", DIVERGING)
    values = np.array(layer.values, dtype=float)
    edges_x = np.arange(values.shape[1] + 1) - 0.5
    edges_y = np.arange(values.shape[0] + 1) - 0.5
    mesh = axes.pcolormesh(
        edges_x, edges_y, values, cmap=colors, vmin=-layer.limit, vmax=layer.limit, ec="white"
    )
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.colorbar(mesh, ax=axes, label=text(layer.unit), shrink=0.8)
    boxes = []
    for i, row in enumerate(layer.texts):
        for j, label in enumerate(row):
            if not math.isnan(values[i, j]):
                axes.text(j, i, text(label), ha="center", va="center", fontsize=6.5)
            if layer.faint[i][j]:
                boxes.append(
                    [(j - 0.5, i - 0.5), (j + 0.5, i - 0.5), (j + 0.5, i + 0.5), (j - 0.5, i + 0.5)]
                )
    axes.add_collection(
        PolyCollection(boxes, facecolors="none", edgecolors="#50505073", hatch="///", lw=0)
    )


def _note(axes: Axes, layer: Note) -> None:
    axes.annotate(
        text(layer.text),
        (layer.x, layer.y),
        (layer.shift * SCREEN_TO_PAPER, 0),
        textcoords="offset points",
        ha=layer.anchor,
        va="center",
        fontsize=6.5,
    )


DRAW: dict[type[Layer], Callable[[Axes, Any], None]] = {
    Points: _points,
    Line: _line,
    Band: _band,
    Span: _span,
    Intervals: _intervals,
    Bars: _bars,
    Cells: _cells,
    Note: _note,
}


def _label(label: str | None) -> str:
    # matplotlib leaves labels that begin with an underscore out of the legend, user text or not.
    return "_nolegend_" if label is None else text(label).lstrip("_") or "_nolegend_"


def _axes(axes: Axes, panel: Panel) -> None:
    axes.set_xlabel(text(panel.x_label))
    axes.set_ylabel(text(panel.y_label))
    if panel.title:
        axes.set_title(text(panel.title))
    if panel.x_log:
        axes.set_xscale("log")
        # Less than a decade has no power of ten, and minor labels run into each other.
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    if panel.x_range is not None:
        axes.set_xlim(*panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(*panel.y_range)
    if panel.x_ticks is not None:
        axes.set_xticks(
            panel.x_ticks.places, [text(t) for t in panel.x_ticks.labels], rotation=35, ha="right"
        )
    if panel.y_ticks is not None:
        axes.set_yticks(panel.y_ticks.places, [text(t) for t in panel.y_ticks.labels])
    if panel.x_zero:
        axes.axvline(0, color=NEUTRAL, lw=0.6, zorder=1)
    if panel.y_zero:
        axes.axhline(0, color=NEUTRAL, lw=0.6, zorder=1)


def _legend(figure: Figure, axes: Axes | None) -> None:
    """One legend above all panels; each label once."""
    found: dict[str, Any] = {}
    for part in [axes] if axes is not None else figure.axes:
        for handle, label in zip(*part.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(
            list(found.values()),
            list(found),
            loc="outside upper left",
            ncols=max(1, min(int(figure.get_figwidth() / 1.65), len(found))),
            frameon=False,
        )
