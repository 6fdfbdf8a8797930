"""Names beside points that would cover something on a narrow page: they step aside or are left out.

The builder that places them does not know how much of a panel a letter takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from sapo_analysis.figures.paper_axes import Dress
from sapo_analysis.figures.paper_layers import marker_size
from sapo_analysis.figures.paper_style import DPI
from sapo_analysis.figures.spec import Points
from sapo_analysis.figures.venues import POINTS_PER_INCH

NEAR = 0.4
"""Kept free between a name and what it steps aside for (points)."""
STEP = 1.25
"""From a line to the next, in font sizes."""
_PIXELS = DPI / POINTS_PER_INCH


def step_aside(dress: Dress, renderer: RendererAgg) -> None:
    """Find each name a free place, first come first served; one that has none is not shown.

    The places are where it is, a line above and below, and the point's other side. Names keep clear
    of other texts, of the page's edge and of arrows, which stand for points beyond the panel and
    are what most names are for. They may cover dots.
    """
    figure = dress.axes.get_figure(root=True)
    names = [noted.drawn for noted in dress.notes if noted.note.part == "names"]
    others = [noted.drawn for noted in dress.notes if noted.note.part != "names"]
    if figure is None or not names:
        return
    page = Bbox.from_bounds(0, 0, *(length * DPI for length in figure.get_size_inches()))
    taken = [text.get_window_extent(renderer) for text in (*dress.over, *others)]
    taken += _arrows(dress)
    for note in names:
        for _ in _places(note, dress.page.tiny):
            box = note.get_window_extent(renderer).padded(NEAR * _PIXELS)
            inside = box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0 and box.y1 <= page.y1
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                break
        else:
            note.set_visible(False)


def _arrows(dress: Dress) -> list[Bbox]:
    found = []
    for layer in dress.panel.layers:
        if isinstance(layer, Points) and layer.marker.startswith("arrow"):
            half = marker_size(layer) / 2 * _PIXELS
            for x, y in dress.axes.transData.transform(list(zip(layer.x, layer.y, strict=True))):
                found.append(Bbox.from_extents(x - half, y - half, x + half, y + half))
    return found


def _places(note: Annotation, size: float) -> Iterator[None]:
    """Put the note from place to place, the best first."""
    x = note.xyann[0]
    side: Any = note.get_horizontalalignment()
    other: Any = {"left": "right", "right": "left"}.get(side, side)
    here, beyond = (side, x), (other, -x)
    for (anchor, shift), lines in (
        *((here, n) for n in (0.0, 1.0, -1.0)),
        *((beyond, n) for n in (0.0, 1.0, -1.0)),
        *((here, n) for n in (2.0, -2.0)),
    ):
        note.set_horizontalalignment(anchor)
        note.xyann = (shift, lines * STEP * size)
        yield
