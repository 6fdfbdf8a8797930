"""Where panels, legend, titles and colour scales stand on a page: measured, then placed.

Every panel gets exactly the height that it asks for, all panels of a figure the same width, and the
page the height that this takes. All lengths are points. Texts are measured by a renderer without a
picture: nothing is drawn for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.legend import Legend
from matplotlib.text import Text

from sapo_analysis.figures.paper_axes import Dress
from sapo_analysis.figures.paper_layout import LEAST_SHARE, TALLEST
from sapo_analysis.figures.paper_notes import step_aside
from sapo_analysis.figures.paper_style import DPI, PaperFigure
from sapo_analysis.figures.venues import POINTS_PER_INCH, Page

EDGE = 1.5
"""Kept free at each edge of the page (points)."""
GAP = 0.9
"""Between panels, in font sizes; half of it under the legend and beside titles of all panels."""
LEAST_WIDTH = 4.0
"""A panel is never narrower than that, in font sizes."""
SCALE_GAP, SCALE_WIDTH, SCALE_HEIGHT = 0.6, 0.8, 18.0
"""A colour scale's distance from its panels, its width and the most of its height, in font
sizes."""
_PASSES = 5
_STILL = 0.3  # points by which nothing moves any more
_PER_PIXEL = POINTS_PER_INCH / DPI

Box = tuple[float, float, float, float]
"""Left, bottom, width and height (points from the page's lower left corner)."""


def measuring() -> RendererAgg:
    """A renderer that knows how large texts are."""
    make: Any = RendererAgg  # has no types
    renderer: RendererAgg = make(1, 1, DPI)
    return renderer


@dataclass
class Scale:
    """A colour scale beside or below its panels: in which rows and columns those stand."""

    axes: Axes
    rows: list[int]
    columns: list[int]
    below: bool = False


@dataclass
class Parts:
    """What is to be placed.

    Attributes:
        figure: all of it is in there.
        page: its width is kept.
        wanted: height of the panels of each row.
        columns: panels per row.
        panels: row by row; the last row may have fewer.
        legend: above all panels.
        x_title: under all panels.
        y_title: left of all panels.
        scales: beside their panels.
    """

    figure: PaperFigure
    page: Page
    wanted: list[float]
    columns: int
    panels: Sequence[Dress]
    legend: Legend | None = None
    x_title: Text | None = None
    y_title: Text | None = None
    scales: Sequence[Scale] = ()
    heights: list[float] = field(init=False)  # as the page has room for them

    def __post_init__(self) -> None:
        self.heights = list(self.wanted)


def place(parts: Parts, width: float) -> None:
    """Place everything; `width`: about that of a panel.

    Lines of texts depend on the room that they have, and the room on the texts: a few rounds find
    places that stay.
    """
    renderer = measuring()
    first = [(0.0, 0.0, width, parts.heights[i // parts.columns]) for i in range(len(parts.panels))]
    _put(parts, (parts.page.points, 2 * sum(parts.heights)), first)
    before = first
    for _ in range(_PASSES):
        changed = [
            dress.fit(box[2], box[3]) for dress, box in zip(parts.panels, before, strict=True)
        ]
        now = _arrange(parts, renderer)
        if _lowered(parts):
            now = _arrange(parts, renderer)
        if not any(changed) and _moved(before, now) < _STILL:
            break
        before = now
    for dress in parts.panels:
        dress.pin(renderer)
        step_aside(dress, renderer)


def _lowered(parts: Parts) -> bool:
    """Make rows lower if the page is higher than paper; cells, with numbers in them, stay."""
    height = parts.figure.get_figheight() * POINTS_PER_INCH
    over = height - TALLEST * POINTS_PER_INCH
    least = LEAST_SHARE * sum(parts.wanted)
    if over <= 0 or parts.scales or sum(parts.heights) <= least:
        return False
    share = max(sum(parts.heights) - over, least) / sum(parts.heights)
    parts.heights = [share * high for high in parts.heights]
    return True


def _moved(before: list[Box], now: list[Box]) -> float:
    return max(
        abs(new - old)
        for box, other in zip(before, now, strict=True)
        for old, new in zip(box, other, strict=True)
    )


@dataclass
class _Around:
    """What stands around the panels, per column and per row."""

    left: list[float]
    right: list[float]
    above: list[float]
    below: list[float]


def _arrange(parts: Parts, renderer: RendererAgg) -> list[Box]:
    """Measure, place, and say where the panels now are."""
    page, n = parts.page, parts.columns
    gap = GAP * page.size
    around = _measured(parts, renderer)
    inner = list(around.right)
    under = [scale for scale in parts.scales if scale.below]
    for scale in parts.scales:
        if scale.below:
            continue
        taken = _beside(scale.axes, renderer)[2]
        last = max(scale.columns)
        own = inner[last] + (SCALE_GAP + SCALE_WIDTH) * page.size + taken
        around.right[last] = max(around.right[last], own)
    head, foot, side = (
        0.0 if part is None else _size(part, renderer)[axis] + gap / 2
        for part, axis in ((parts.legend, 1), (parts.x_title, 1), (parts.y_title, 0))
    )
    taken = 2 * EDGE + side + sum(around.left) + sum(around.right) + gap * (n - 1)
    width = max((page.points - taken) / n, LEAST_WIDTH * page.size)
    starts = [EDGE + side + around.left[0]]
    for j in range(1, n):
        starts.append(starts[-1] + width + around.right[j - 1] + gap + around.left[j])
    tops = [EDGE + head + around.above[0]]  # from the upper edge of the page
    for i in range(1, len(parts.heights)):
        tops.append(tops[-1] + parts.heights[i - 1] + around.below[i - 1] + gap + around.above[i])
    depths = [_depth(scale, page, renderer) for scale in under]
    lowest = EDGE + sum(depths)  # of what is above the scales below
    height = tops[-1] + parts.heights[-1] + around.below[-1] + foot + lowest
    boxes = [
        (starts[i % n], height - tops[i // n] - parts.heights[i // n], width, parts.heights[i // n])
        for i in range(len(parts.panels))
    ]
    _put(parts, (page.points, height), boxes)
    span = starts[0], starts[-1] + width, height - tops[-1] - parts.heights[-1], height - tops[0]
    _put_titles(parts, (page.points, height), span, lowest, renderer)
    for scale, depth in zip(under, depths, strict=True):
        lowest -= depth
        over = _beside(scale.axes, renderer)
        left = max(starts[min(scale.columns)], EDGE + over[0])
        right = min(starts[max(scale.columns)] + width, page.points - EDGE - over[2])
        thick = SCALE_WIDTH * page.size
        box = (left, lowest + depth - SCALE_GAP * page.size - thick, right - left, thick)
        scale.axes.set_position(_shares(box, (page.points, height)))
    for scale in parts.scales:
        if scale.below:
            continue
        last = max(scale.columns)
        left = starts[last] + width + inner[last] + SCALE_GAP * page.size
        top = height - tops[min(scale.rows)]
        low = height - tops[max(scale.rows)] - parts.heights[max(scale.rows)]
        high = min(top - low, SCALE_HEIGHT * page.size)
        box = (left, (top + low - high) / 2, SCALE_WIDTH * page.size, high)
        scale.axes.set_position(_shares(box, (page.points, height)))
    return boxes


def _depth(scale: Scale, page: Page, renderer: RendererAgg) -> float:
    """Height that a scale below its panels takes."""
    return (SCALE_GAP + SCALE_WIDTH) * page.size + _beside(scale.axes, renderer)[1]


def _put_titles(
    parts: Parts, size: tuple[float, float], span: Box, lowest: float, renderer: RendererAgg
) -> None:
    """Titles of all panels in the middle of where these stand: left, right, bottom and top."""
    if parts.x_title is not None:
        half = _size(parts.x_title, renderer)[0] / 2 + EDGE
        middle = max(min((span[0] + span[1]) / 2, size[0] - half), half)
        parts.x_title.set_position((middle / size[0], lowest / size[1]))
    if parts.y_title is not None:
        half = _size(parts.y_title, renderer)[1] / 2 + EDGE
        middle = max(min((span[2] + span[3]) / 2, size[1] - half), half)
        parts.y_title.set_position((EDGE / size[0], middle / size[1]))


def _put(parts: Parts, size: tuple[float, float], boxes: list[Box]) -> None:
    parts.figure.set_size_inches(size[0] / POINTS_PER_INCH, size[1] / POINTS_PER_INCH)
    for dress, box in zip(parts.panels, boxes, strict=True):
        dress.axes.set_position(_shares(box, size))


def _shares(box: Box, size: tuple[float, float]) -> Box:
    return box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]


def _measured(parts: Parts, renderer: RendererAgg) -> _Around:
    n, n_rows = parts.columns, len(parts.heights)
    around = _Around([0.0] * n, [0.0] * n, [0.0] * n_rows, [0.0] * n_rows)
    for i, dress in enumerate(parts.panels):
        row, column = divmod(i, n)
        notes = [noted.drawn for noted in dress.notes]
        left, below, right, above = _beside(dress.axes, renderer, dress.over, notes)
        around.left[column] = max(around.left[column], left)
        around.right[column] = max(around.right[column], right)
        around.above[row] = max(around.above[row], above)
        around.below[row] = max(around.below[row], below)
    return around


def _beside(
    axes: Axes, renderer: RendererAgg, over: Sequence[Text] = (), notes: Sequence[Text] = ()
) -> Box:
    """How far texts reach over the left, lower, right and upper side of a panel.

    A label or title along a side counts across it alone: it was broken to the side's length.
    """
    inside = axes.get_window_extent(renderer)
    left, below, right, top = inside.extents
    boxes = [a.get_tightbbox(renderer, for_layout_only=True) for a in (axes.xaxis, axes.yaxis)]
    boxes += [note.get_window_extent(renderer) for note in notes]
    for box in boxes:
        if box is not None:
            left, below = min(left, box.x0), min(below, box.y0)
            right, top = max(right, box.x1), max(top, box.y1)
    top = max([top, *(said.get_window_extent(renderer).y1 for said in over)])
    return (
        (inside.x0 - left) * _PER_PIXEL,
        (inside.y0 - below) * _PER_PIXEL,
        (right - inside.x1) * _PER_PIXEL,
        (top - inside.y1) * _PER_PIXEL,
    )


def _size(part: Legend | Text, renderer: RendererAgg) -> tuple[float, float]:
    box = part.get_window_extent(renderer)
    return box.width * _PER_PIXEL, box.height * _PER_PIXEL
