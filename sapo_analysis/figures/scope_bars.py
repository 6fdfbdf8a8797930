"""The two intervals of a mean over tasks in one row: for new tasks, and for these tasks."""

from __future__ import annotations

import math

from sapo_analysis.figures import theme
from sapo_analysis.figures.spec import Intervals, Layer

Ends = tuple[float, float]
BARS = "thick bar: for new tasks, thin bar: for these tasks"
"""What a caption says of them."""


def scope_bars(
    y: float, new: Ends, these: Ends | None = None, *, whose: str = "", below: float = 0.2
) -> list[Layer]:
    """Thick: for new tasks, around the row; thin: for these tasks, under it.

    Args:
        y: height of the row.
        new: lower and upper end for new tasks; nan: there is no such interval, nothing is drawn.
        these: the same for these tasks; None: not drawn.
        whose: what the legend names them with, such as `mean, `.
        below: how far under the row the thin bar is (rows); further where a point would cover it.
    """
    layers: list[Layer] = []
    for ends, width, color, shift, scope in (
        (new, 5.0, theme.BLUE, 0.1, "new tasks"),
        (these, 1.8, theme.ORANGE, -below, "these tasks"),
    ):
        if ends is not None and not math.isnan(ends[0]):
            at = (y + shift,), (ends[0],), (ends[1],)
            label = f"{whose}{scope}, 95 %"
            layers.append(Intervals(*at, color, width, label=label, part="intervals"))
    return layers
