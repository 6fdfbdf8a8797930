"""Names beside points that would cover something on a narrow page: they step aside or are left out.

The builder that places them does not know how much of a panel a letter takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from sapo_analysis.figures.paper_axes import Dress
from sapo_analysis.figures.paper_layers import marker_size
from sapo_analysis.figures.paper_style import DPI
from sapo_analysis.figures.spec import Points
from sapo_analysis.figures.venues import POINTS_PER_INCH

Boxes = NDArray[np.float64]

NEAR = 0.4
"""Kept free between a name and what it steps aside for (points)."""
STEP = 1.25
"""From a line to the next, in font sizes."""
_PIXELS = DPI / POINTS_PER_INCH


def step_aside(dress: Dress, renderer: RendererAgg) -> None:
    """Find each name a free place, first come first served; one that has none is not shown.

    The places are where it is, a line above and below, and the point's other side. Names keep clear
    of the page's edge, of other texts and of every marker: a name on a dot hides a number.
    """
    figure = dress.axes.get_figure(root=True)
    names = [noted.drawn for noted in dress.notes if noted.note.part == "names"]
    others = [noted.drawn for noted in dress.notes if noted.note.part != "names"]
    if figure is None or not names:
        return
    page = Bbox.from_bounds(0, 0, *(length * DPI for length in figure.get_size_inches()))
    taken = np.array(
        [text.get_window_extent(renderer).extents for text in (*dress.over, *others)]
    ).reshape(-1, 4)
    taken = np.vstack([taken, *_markers(dress)])
    for note in names:
        for _ in _places(note, dress.page.tiny):
            box = note.get_window_extent(renderer).padded(NEAR * _PIXELS)
            inside = box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0 and box.y1 <= page.y1
            room = np.array(box.extents)
            if inside and not _overlap(room, taken):
                taken = np.vstack([taken, room])
                break
        else:
            note.set_visible(False)


def _markers(dress: Dress) -> Iterator[Boxes]:
    """The boxes of all markers that are seen, layer by layer (pixels)."""
    for layer in dress.panel.layers:
        if isinstance(layer, Points) and layer.opacity > 0:
            half = marker_size(layer, dress.page) / 2 * _PIXELS
            at = dress.axes.transData.transform(np.column_stack([layer.x, layer.y]))
            yield np.hstack([at - half, at + half])


def _overlap(box: Boxes, others: Boxes) -> bool:
    """Whether any of the boxes shares room with one: left, bottom, right and top each."""
    near = (others[:, :2] < box[2:]) & (others[:, 2:] > box[:2])
    return bool(near.all(axis=1).any())


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
