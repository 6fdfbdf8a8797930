"""Read back what each renderer drew, so that a test can hold it against the figure's layers.

`check_same_data(spec)` compares numbers, titles, labels and named places of every panel on the
screen and on paper with what the spec says. Colours and shapes are not its concern.
"""

from __future__ import annotations

import html
import math
from collections import Counter

import numpy as np
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.patches import Rectangle

from sapo_analysis.figures.paper_layers import STROKES
from sapo_analysis.figures.render_plotly import drawn, text
from sapo_analysis.figures.spec import (
    Band,
    Bars,
    Cells,
    FigureSpec,
    Intervals,
    Line,
    Note,
    Points,
    Span,
)

KINDS = ("points", "paths", "bands", "spans", "bars", "cells", "notes", "words")


def check_same_data(spec: FigureSpec, venue: str = "icml", width: str | float | None = None):
    """Fail where screen or paper shows other numbers or words than the spec holds."""
    wanted = [of_spec(spec, i) for i in range(len(spec.panels))]
    on_screen = drawn(spec)
    figure = spec.to_matplotlib(venue, width)
    by_label = {axes.get_label(): axes for axes in figure.axes}
    for i, panel in enumerate(spec.panels):
        screen, paper = of_plotly(on_screen, i, spec), of_matplotlib(by_label[str(i)], panel)
        for kind in KINDS:
            assert screen[kind] == wanted[i][kind], (spec.name, i, kind, "screen")
            if kind == "notes":  # of names beside points some give way where they would collide
                must = of_spec(spec.without("names"), i)["notes"]
                assert must <= paper[kind] <= wanted[i][kind], (spec.name, i, kind, "paper")
            else:
                assert paper[kind] == wanted[i][kind], (spec.name, i, kind, "paper")
    assert sum(sum(own[kind].total() for kind in KINDS) for own in wanted) > 0


def of_spec(spec: FigureSpec, index: int) -> dict[str, Counter]:
    """What a panel of a figure holds."""
    panel = spec.panels[index]
    found = {kind: Counter() for kind in KINDS}
    for layer in panel.layers:
        if isinstance(layer, Points):
            found["points"] += _points(layer.x, layer.y)
        elif isinstance(layer, Line):
            found["paths"] += _paths(layer.x, layer.y)
        elif isinstance(layer, Intervals):
            for y, low, high in zip(layer.y, layer.lower, layer.upper, strict=True):
                found["paths"] += _paths((low, high), (y, y))
        elif isinstance(layer, Band):
            found["bands"] += _band(
                [*zip(layer.x, layer.lower, strict=True), *zip(layer.x, layer.upper, strict=True)]
            )
        elif isinstance(layer, Span):
            found["spans"][layer.axis, *_rounded((layer.lower, layer.upper))] += 1
        elif isinstance(layer, Bars):
            found["bars"] += _points(layer.x, layer.y)
        elif isinstance(layer, Cells):
            found["cells"][_cells(layer.values)] += 1
        elif isinstance(layer, Note):
            found["notes"][(*_rounded((layer.x, layer.y)), layer.text)] += 1
    found["words"] += _words(panel.title, panel.subtitle, panel.x_label, panel.y_label)
    for ticks in (panel.x_ticks, panel.y_ticks):
        if ticks is not None:
            found["words"] += _named(ticks.places, ticks.labels)
    return found


def of_plotly(figure: dict, index: int, spec: FigureSpec) -> dict[str, Counter]:
    """What plotly was given for a panel."""
    number = "" if index == 0 else str(index + 1)
    layout, panel = figure["layout"], spec.panels[index]
    found = {kind: Counter() for kind in KINDS}
    for trace in figure["data"]:
        if trace["xaxis"] != f"x{number}" or (trace.get("x") or [None])[0] is None:
            continue
        if trace["type"] == "heatmap":
            values = [[math.nan if v is None else v for v in row] for row in trace["z"]]
            found["cells"][_cells(values)] += 1
        elif trace["type"] == "bar":
            found["bars"] += _points(trace["x"], trace["y"])
        elif trace["mode"] == "markers":
            found["points"] += _points(trace["x"], trace["y"])
        elif trace.get("fill") == "toself":
            found["bands"] += _band(list(zip(trace["x"], trace["y"], strict=True)))
        elif not _is_hatching(trace, panel):
            found["paths"] += _paths(trace["x"], trace["y"])
    for shape in layout["shapes"]:
        for axis in ("x", "y"):
            if shape[f"{axis}ref"] == f"{axis}{number}":
                found["spans"][axis, *_rounded((shape[f"{axis}0"], shape[f"{axis}1"]))] += 1
    said = Counter()
    x_axis, y_axis = layout[f"xaxis{number}"], layout[f"yaxis{number}"]
    across, top = sum(x_axis["domain"]) / 2, y_axis["domain"][1]
    for note in layout["annotations"]:
        if note["xref"] == f"x{number}":
            x = 10 ** note["x"] if panel.x_log else note["x"]
            y = 10 ** note["y"] if panel.y_log else note["y"]
            found["notes"][(*_rounded((x, y)), _plain(note["text"]))] += 1
        elif note["xref"] == "paper" and (note["x"], note["y"]) == (across, top):
            said += _words(_plain(note["text"]))
    for axis, ticks in ((x_axis, panel.x_ticks), (y_axis, panel.y_ticks)):
        said += _words(_plain(axis["title"]["text"]))
        if ticks is not None:
            said += _named(axis["tickvals"], map(_plain, axis["ticktext"]))
    return {**found, "words": said}


def of_matplotlib(axes, panel) -> dict[str, Counter]:
    """What a panel's axes show on paper."""
    found = {kind: Counter() for kind in KINDS}
    for part in axes.collections:
        if isinstance(part, PathCollection):
            x, y = part.get_offsets().filled(math.nan).T
            found["points"] += _points(x, y)
        elif isinstance(part, LineCollection) and part.get_label() != STROKES:
            for path in part.get_segments():
                found["paths"] += _paths(*np.asarray(path).T)
        elif isinstance(part, QuadMesh):
            found["cells"][_cells(part.get_array().filled(math.nan))] += 1
        elif isinstance(part, PolyCollection) and part.get_hatch() is None:
            for path in part.get_paths():
                found["bands"] += _band([tuple(vertex) for vertex in path.vertices])
    for line in axes.lines:
        if line.get_transform() == axes.transData:  # the lines at zero go across the axes
            found["paths"] += _paths(line.get_xdata(), line.get_ydata())
    for patch in axes.patches:
        if isinstance(patch, Rectangle):
            (x, y), width, height = patch.get_xy(), patch.get_width(), patch.get_height()
            across = patch.get_data_transform()
            if across == axes.transData:
                found["bars"] += _points([x + width], [y + height / 2])
            elif across == axes.get_yaxis_transform(which="grid"):
                found["spans"]["y", *_rounded((y, y + height))] += 1
            else:
                found["spans"]["x", *_rounded((x, x + width))] += 1
    said = _words(axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel())
    for note in axes.texts:
        words = note.get_text().replace(r"\$", "$")
        if getattr(note, "xycoords", "") == "axes fraction":
            said += _words(words)
        elif hasattr(note, "xy") and note.get_visible():
            found["notes"][(*_rounded(note.xy), words)] += 1
    for axis, ticks in ((axes.xaxis, panel.x_ticks), (axes.yaxis, panel.y_ticks)):
        if ticks is not None:
            names = [label.get_text() for label in axis.get_ticklabels()]
            # Panels beside each other name their rows once.
            said += _named(axis.get_majorticklocs(), names if any(names) else ticks.labels)
    return {**found, "words": said}


def _is_hatching(trace: dict, panel) -> bool:
    """Strokes through faint cells, which only the screen draws as lines."""
    return any(isinstance(layer, Cells) for layer in panel.layers) and "rgba(80" in str(trace)


def _rounded(values) -> tuple:
    """Equal to ten digits: a logarithm and back, or a width and a start, lose the last ones."""
    return tuple(float(f"{float(v):.10g}") + 0.0 for v in values)


def _points(x, y) -> Counter:
    both = zip(_rounded(x), _rounded(y), strict=True)
    return Counter(point for point in both if not any(map(math.isnan, point)))


def _paths(x, y) -> Counter:
    """Pieces of a line between its gaps; one point alone is no piece."""
    pieces, piece = [], []
    for point in zip(x, y, strict=True):
        if any(value is None or math.isnan(value) for value in point):
            pieces.append(piece)
            piece = []
        else:
            piece.append(_rounded(point))
    return Counter(tuple(piece) for piece in [*pieces, piece] if len(piece) > 1)


def _band(vertices) -> Counter:
    return Counter([frozenset(_rounded(vertex) for vertex in vertices)])


def _cells(values) -> tuple:
    rows = np.asarray(values, dtype=float)
    return rows.shape, tuple(None if math.isnan(v) else v for v in _rounded(rows.ravel()))


def _named(places, names) -> Counter:
    return Counter(zip(_rounded(places), map(_flat, names), strict=True))


def _flat(words: str) -> str:
    """Without line ends, which each renderer sets where it has to."""
    return " ".join(words.replace(r"\$", "$").split())


def _words(*texts: str) -> Counter:
    return Counter(_flat(words) for words in texts if words.strip())


def _plain(shown: str) -> str:
    """A text of plotly's without its escapes."""
    plain = html.unescape(shown.replace("<br>", "\n"))
    assert text(plain) == shown
    return plain
