"""`FigureSpec` → matplotlib, for paper. No pyplot: nothing global is touched beyond a call.

The width is the page's; the height follows from what is drawn (`paper_layout`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from threading import RLock
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from sapo_analysis.errors import unknown
from sapo_analysis.figures import paper_layout as layout
from sapo_analysis.figures.fonts import check_characters, use, wrapped
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
from sapo_analysis.figures.stamp import Stamp
from sapo_analysis.figures.theme import DIVERGING, NEUTRAL
from sapo_analysis.figures.venues import POINTS_PER_INCH, Page

KINDS = ("pdf", "svg", "png")
DPI = 300
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
TIGHT = 1.0  # distance of lines in font sizes, as the fonts' own is wide
ABOVE = 3.0  # points between a panel and what stands above it
SUBTITLE = "subtitle"
_MANY = 200  # points of a layer, below which it stays vectors even so
_LOCK = RLock()  # matplotlib's settings are the process's, and pages draw in threads


def _style(page: Page) -> Any:  # matplotlib's types list its 300 settings one by one
    return {
        # Venues refuse Type 3 fonts, and 42 embeds TrueType; SVG text stays text.
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "sapo_analysis",
        "font.family": [use(page.font)],
        "mathtext.fontset": "stix" if page.font == "serif" else "dejavusans",
        "font.size": page.size,
        "axes.titlesize": page.size,
        "axes.labelsize": page.size,
        "legend.fontsize": page.small,
        "xtick.labelsize": page.small,
        "ytick.labelsize": page.small,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "hatch.linewidth": 0.5,
        "axes.formatter.limits": (-4, 5),
        "savefig.dpi": DPI,
        "figure.dpi": DPI,
    }


def render(spec: FigureSpec, page: Page) -> Figure:
    """Draw every layer of every panel on a page.

    Saving it is the caller's: matplotlib's settings at that moment decide how text is embedded, so
    `to_bytes` is the way to a file.

    Raises:
        InputError: a text has a character that the page's font lacks.
    """
    spec = replace(spec, columns=layout.columns(spec, page))
    with _LOCK, mpl.rc_context(_style(page)):
        figure = _drawn(spec, page)
        for found in figure.findobj(Text):
            check_characters(found.get_text().replace(r"\$", "$"), page.font)
    return figure


def _drawn(spec: FigureSpec, page: Page) -> Figure:
    rows = layout.rows(spec, page)
    figure = Figure(figsize=(page.width, 1.0), layout="constrained")
    grid = figure.subplots(len(rows), spec.columns, squeeze=False, height_ratios=rows)
    shown = list(zip(grid.flat, spec.panels, strict=False))
    width = layout.panel_width(spec, page)
    dense = sum(len(a.x) for p in spec.panels for a in p.layers if isinstance(a, Points))
    scales: dict[tuple[float, str], list[Any]] = {}
    for index, (axes, panel) in enumerate(shown):
        for layer in panel.layers:
            if isinstance(layer, Cells):
                scales.setdefault((layer.limit, layer.unit), []).append(_cells(axes, layer, page))
            elif isinstance(layer, Points):
                as_image = dense > MOST_VECTORS and len(layer.x) > _MANY
                _points(axes, layer, rasterized=as_image)
            elif isinstance(layer, Note):
                _note(axes, layer, page)
            else:
                DRAW[type(layer)](axes, layer)
        _axes(axes, panel, page, width, rows[index // spec.columns])
        if spec.names_rows_once and index % spec.columns:
            axes.tick_params(axis="y", labelleft=False)
    for (_, unit), meshes in scales.items():
        own = [mesh.axes for mesh in meshes]
        bar = figure.colorbar(meshes[-1], ax=own, shrink=0.9, aspect=25, pad=0.02)
        bar.set_label(text(unit), size=page.small)
        bar.outline.set_linewidth(0.4)
    total = sum(rows)
    if spec.x_title:
        figure.supxlabel(_fitted(spec.x_title, page, page.points), fontsize=page.size)
    if spec.y_title:
        said = _fitted(spec.y_title, page, total)
        figure.supylabel(said, fontsize=page.size, multialignment="center")
    for axes in grid.flat[len(spec.panels) :]:
        axes.set_visible(False)
    if spec.legend:
        _legend(figure, page)
    firsts = [axes for axes, _ in shown][:: spec.columns]
    _set_height(figure, firsts, rows)
    # Labels were broken by a guess at the panel's width; now it is known.
    if any([_fit(axes, panel, page) for axes, panel in shown]):
        _set_height(figure, firsts, rows)
    return figure


def _set_height(figure: Figure, firsts: list[Axes], rows: list[float]) -> None:
    """Make the page as high as it must be for every row of panels to have its height.

    Titles, ticks and legend take what they take: it is measured on a page that is high enough.
    """
    height = sum(rows) / POINTS_PER_INCH + 2.0
    figure.set_size_inches(figure.get_figwidth(), height)
    figure.draw_without_rendering()
    got = sum(axes.get_window_extent().height for axes in firsts) / figure.dpi
    figure.set_size_inches(figure.get_figwidth(), height + sum(rows) / POINTS_PER_INCH - got)


def _fit(axes: Axes, panel: Panel, page: Page) -> bool:
    """Break what stands along the x axis anew, now that its length is known; whether it changed."""
    width = axes.get_window_extent().width / axes.figure.dpi * POINTS_PER_INCH
    before = [axes.get_xlabel(), axes.get_title(loc="left"), *_turns(axes)]
    _along_x(axes, panel, page, width)
    return before != [axes.get_xlabel(), axes.get_title(loc="left"), *_turns(axes)]


def _turns(axes: Axes) -> list[float]:
    return [label.get_rotation() for label in axes.get_xticklabels()]


def to_bytes(spec: FigureSpec, kind: str, page: Page, stamp: Stamp | None = None) -> bytes:
    """The figure as pdf, svg or png, dated by its stamp alone, so that equal data is equal bytes.

    Raises:
        InputError: another kind is asked for, or the font lacks a character.
    """
    if kind not in KINDS:
        raise unknown("figure format", kind, list(KINDS))
    undated: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    said = {"Title": spec.name} if stamp is None else stamp.metadata(kind)
    buffer = io.BytesIO()
    with _LOCK, mpl.rc_context(_style(page)):
        figure = render(spec, page)
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={**undated[kind], **said})
    return buffer.getvalue()


def text(plain: str) -> str:
    """Plain text for matplotlib: a dollar sign would start mathematics."""
    return plain.replace("$", r"\$")


def _fitted(plain: str, page: Page, width: float, size: float = 0.0) -> str:
    """The text in lines no wider than that (points)."""
    return text(wrapped(plain, page.font, size or page.size, width))


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


def _cells(axes: Axes, layer: Cells, page: Page) -> Any:
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


def _note(axes: Axes, layer: Note, page: Page) -> None:
    axes.annotate(
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


def _axes(axes: Axes, panel: Panel, page: Page, width: float, height: float) -> None:
    y_label = _fitted(panel.y_label, page, max(height, 5 * page.size))
    axes.set_ylabel(y_label, linespacing=TIGHT)
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
    if panel.y_ticks is not None:
        room = layout.names_room(page)
        names = [_fitted(t, page, room, page.small) for t in panel.y_ticks.labels]
        axes.set_yticks(panel.y_ticks.places, names, linespacing=TIGHT)
    if panel.x_zero:
        axes.axvline(0, color=NEUTRAL, lw=0.6, zorder=1)
    if panel.y_zero:
        axes.axhline(0, color=NEUTRAL, lw=0.6, zorder=1)
    if panel.subtitle:
        where: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(
            "",
            (0, 1),
            (0, ABOVE),
            **where,
            va="bottom",
            fontsize=page.small,
            linespacing=TIGHT,
            gid=SUBTITLE,
        )
    _along_x(axes, panel, page, width)


def _along_x(axes: Axes, panel: Panel, page: Page, width: float) -> None:
    """Everything that has to fit into the length of the x axis (points)."""
    axes.set_xlabel(_fitted(panel.x_label, page, width), linespacing=TIGHT)
    if panel.x_ticks is not None:
        _x_ticks(axes, panel.x_ticks, page, width)
    pad = ABOVE
    for note in axes.texts:
        if note.get_gid() == SUBTITLE:
            said = _fitted(panel.subtitle, page, width, page.small)
            note.set_text(said)
            pad += (said.count("\n") + 1) * page.small * layout.LINE + 1.0
    if panel.title:
        title = _fitted(panel.title, page, width)
        axes.set_title(title, loc="left", pad=pad, linespacing=TIGHT)


def _x_ticks(axes: Axes, ticks: Ticks, page: Page, width: float) -> None:
    names = [text(name) for name in ticks.labels]
    angle = layout.turn(ticks, axes.get_xlim(), page, width)
    style: dict[str, Any] = {"rotation": angle, "ha": "center"}
    if angle == 35:
        style |= {"ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(ticks.places, names, **style)


def _legend(figure: Figure, page: Page) -> None:
    """One legend above all panels; each label once."""
    found: dict[str, Any] = {}
    for part in figure.axes:
        for handle, label in zip(*part.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    names = [_fitted(name, page, 0.8 * page.points, page.small) for name in found]
    figure.legend(
        list(found.values()),
        names,
        loc="outside upper left",
        ncols=layout.legend_columns(names, page),
        frameon=False,
        handlelength=layout.HANDLE,
        handletextpad=layout.HANDLE_PAD,
        columnspacing=layout.COLUMN_GAP,
        borderaxespad=0.2,
        borderpad=0.2,
    )
