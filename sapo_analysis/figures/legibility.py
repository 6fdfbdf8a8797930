"""Can it be read? Texts that are cut off or cover each other, and groups that grey print mixes up.

What a figure holds comes from data: a name may be longer than any that was tried. So the check is
not for tests alone: an export says what it finds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from sapo_analysis.figures.paper_text import plain
from sapo_analysis.figures.spec import Bars, FigureSpec, Intervals, Layer, Line, Points

Corners = NDArray[np.float64]

CUT = 0.5
"""Points that a text may reach over the edge of the page: the width of a rule, no letter."""
TOUCH = 0.8
"""Points by which boxes of two texts may overlap: boxes are a little larger than letters."""
LEAST_STEP = 0.12
"""Least difference of two greys (0 black, 1 white) that print keeps apart."""


@dataclass(frozen=True)
class _Box:
    text: str
    corners: Corners  # (4, 2), points, in order around the text


def text_problems(figure: Figure) -> list[str]:
    """What is wrong with the texts of a figure, one sentence each; none where all can be read.

    Texts that are alike and in the same trouble are told of once.
    """
    figure.draw_without_rendering()
    to_points = 72.0 / figure.dpi
    undrawn = _undrawn(figure)
    boxes = [
        _Box(text.get_text(), _corners(text) * to_points)
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in undrawn
    ]
    size = np.array(figure.get_size_inches()) * 72.0
    found = [
        f"{_quoted(box.text)} is cut off at the edge of the page"
        for box in boxes
        if (box.corners < -CUT).any() or (box.corners > size + CUT).any()
    ]
    found += [
        f"{_quoted(boxes[i].text)} and {_quoted(boxes[j].text)} cover each other"
        for i, j in _near(boxes)
        if _depth(boxes[i].corners, boxes[j].corners) > TOUCH
    ]
    return list(dict.fromkeys(found))


def _quoted(text: str) -> str:
    """A text on one line, without the signs that keep matplotlib from reading it as formulas."""
    return f"“{' '.join(plain(text).split())}”"


def _near(boxes: list[_Box]) -> list[tuple[int, int]]:
    """Pairs whose upright outlines overlap: of hundreds of texts few, and only those can touch."""
    if not boxes:
        return []
    corners = np.array([box.corners for box in boxes])
    low, high = corners.min(axis=1), corners.max(axis=1)
    apart = (low[:, None] > high[None] - TOUCH).any(axis=2)
    first, second = np.nonzero(np.triu(~(apart | apart.T), 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _undrawn(figure: Figure) -> set[int]:
    """Ids of texts of ticks that lie beyond their axis, or of axes that are not shown."""
    hidden: set[int] = set()
    for axes in figure.findobj(Axes):
        for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            along = axis.get_transform()  # on a logarithmic axis places differ by their ratio
            low, high = sorted(along.transform(np.array(ends, dtype=float)))
            slack = 1e-9 * (high - low)
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            places = along.transform(
                np.array([*axis.get_majorticklocs(), *axis.get_minorticklocs()], dtype=float)
            )
            drawn = {
                id(tick)
                for tick, place in zip(ticks, places, strict=True)
                if low - slack <= place <= high + slack
            }
            for tick in axis.findobj(Tick):
                if not axes.get_visible() or id(tick) not in drawn:
                    hidden |= {id(tick.label1), id(tick.label2)}
        if not axes.get_visible():
            hidden |= {id(text) for text in axes.findobj(Text)}
    return hidden


def _corners(text: Text) -> Corners:
    """The rectangle around a text, turned as the text is (pixels)."""
    angle = text.get_rotation()
    if not angle:
        return _around(text)
    middle = _around(text).mean(axis=0)
    text.set_rotation(0)
    try:
        flat = text.get_window_extent()
        half = np.array([flat.width, flat.height]) / 2
    finally:
        text.set_rotation(angle)
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    corners: Corners = middle + [turn @ (half * s) for s in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    return corners


def _around(text: Text) -> Corners:
    box = text.get_window_extent()
    corners: Corners = np.array(
        [(box.x0, box.y0), (box.x0, box.y1), (box.x1, box.y1), (box.x1, box.y0)]
    )
    return corners


def _depth(a: Corners, b: Corners) -> float:
    """How far two rectangles overlap: the least shift that parts them; 0 or less: they do not."""
    depth = np.inf
    for one in (a, b):
        for i in range(2):
            edge = one[i + 1] - one[i]
            length = float(np.hypot(*edge))
            if length == 0:
                continue
            axis = np.array([-edge[1], edge[0]]) / length
            p, q = a @ axis, b @ axis
            depth = min(depth, p.max() - q.min(), q.max() - p.min())
    return float(depth)


def grey(color: str) -> float:
    """How light a `#RRGGBB` colour is in grey print: relative luminance's root, 0 to 1."""
    linear = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
    return float((0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) ** (1 / 2.2))


def grey_twins(spec: FigureSpec) -> list[str]:
    """Pairs of groups that only their hue tells apart, one sentence each.

    Two colours of one kind of layer are told apart by shape, filling, dash or width, or by grey.
    """
    found = []
    for panel in spec.panels:
        looks = {look for layer in panel.layers if (look := _look(layer)) is not None}
        for (kind, shape, one), (other_kind, other_shape, other) in combinations(sorted(looks), 2):
            same = kind == other_kind and shape == other_shape
            if same and one != other and abs(grey(one) - grey(other)) < LEAST_STEP:
                found.append(f"{kind} {shape} in {one} and {other} look alike in grey")
    return list(dict.fromkeys(found))


def _look(layer: Layer) -> tuple[str, str, str] | None:
    """Kind, what is seen of it without colour, and colour; None where colour says nothing.

    Lines and intervals without a label belong to the points that they lead to or go through, bars
    without one to the names of their rows.
    """
    if isinstance(layer, Points):
        seen = layer.opacity > 0 and not all(math.isnan(x) for x in layer.x)
        shape = f"{layer.marker}{' hollow' if layer.hollow else ''}"
        return ("points", shape, layer.color) if seen else None
    if isinstance(layer, Bars) and layer.label is not None:
        return "bars", "", layer.color
    if isinstance(layer, Line) and layer.label is not None:
        return "lines", f"{layer.dash}", layer.color
    if isinstance(layer, Intervals) and layer.label is not None:
        return "intervals", f"{layer.width:g} wide", layer.color
    return None
