"""How a figure fills a page of a given width: panels per row, heights, legend columns.

All lengths are points. Widths of texts are measured with the page's own font.
"""

from __future__ import annotations

import math

from sapo_analysis.figures.fonts import text_width, wrapped
from sapo_analysis.figures.spec import Cells, FigureSpec, Panel, Ticks
from sapo_analysis.figures.venues import Page

LINE = 1.2
"""Height of a line, in font sizes."""
ROW = 1.7
"""Height of a row of a forest, in font sizes."""
LEAST_PANEL = 11.5
"""Width under which a panel is not drawn beside another, in font sizes."""
LEAST_BARE = 11.0
"""The same of one with nothing but numbers and a title around it."""
NAMES_SHARE = 0.36
"""The most of the page's width that names of rows take."""
TALLEST = 8.5
"""The most that a figure may be high (inches): a page of 9 inches of text, less its caption."""
LEAST_SHARE = 0.7
"""Of the height that rows want: the least that they get where a page would not hold them all."""
LEAST_SIZE = 6.0
"""Points under which no text is set."""
SCALE_BESIDE_FROM = 324.0
"""Width of a page (points) from which colour scales stand beside their panels."""
HANDLE, HANDLE_PAD, COLUMN_GAP = 2.0, 0.5, 1.2
"""A legend's sample, the gap behind it and between columns, in font sizes."""


def names_room(page: Page) -> float:
    """How wide names of rows may be before they go on in a second line."""
    return NAMES_SHARE * page.points


def columns(spec: FigureSpec, page: Page) -> int:
    """Panels per row: as many as the figure wants, as far as each keeps a readable width."""
    for n in range(min(spec.columns, len(spec.panels)), 1, -1):
        once = _names(spec.panels[0], page) if spec.names_rows_once else 0.0
        need = sum(_least(panel, page, spec.names_rows_once) for panel in spec.panels[:n])
        if once + need <= page.points:
            return n
    return 1


def _least(panel: Panel, page: Page, named_once: bool) -> float:
    cells = _cells(panel)
    if cells is not None:
        inside = len(cells.values[0]) * 2.4 * page.tiny
        return inside + (0.0 if named_once else _names(panel, page))
    if panel.y_ticks is not None and not named_once:
        return LEAST_PANEL * page.size + _names(panel, page)
    if not (panel.y_label or panel.subtitle or panel.y_ticks):
        return LEAST_BARE * page.size
    return LEAST_PANEL * page.size


def panel_width(spec: FigureSpec, page: Page) -> float:
    """About how wide the inside of a panel is: enough to break its labels into lines."""
    names = _names(spec.panels[0], page)
    taken = names if spec.names_rows_once else spec.columns * names
    if any(_cells(panel) for panel in spec.panels) and not scale_below(page):
        taken += 4.5 * page.size  # the colour scale
    if spec.y_title:
        taken += 2 * LINE * page.size
    return max((page.points - taken) / spec.columns - 1.5 * page.size, 4 * page.size)


def _names(panel: Panel, page: Page) -> float:
    """Room left of a panel: names of rows, or numbers and the label of an axis."""
    if panel.y_ticks is None:
        label = LINE * page.size * (1 + panel.y_label.count("\n")) if panel.y_label else 0.0
        return label + 2.5 * page.small
    size = row_names_size(panel, page)
    lines = [line for name in row_names(panel, page) for line in name.split("\n")]
    widest = max((text_width(line, page.font, size) for line in lines), default=0.0)
    return widest + page.small


def row_names(panel: Panel, page: Page) -> list[str]:
    """Names of a panel's rows, long ones in several lines."""
    if panel.y_ticks is None:
        return []
    size, room = row_names_size(panel, page), names_room(page)
    return [wrapped(name, page.font, size, room) for name in panel.y_ticks.labels]


def row_names_size(panel: Panel, page: Page) -> float:
    """Their size (points): rows of cells are low, so that long names shrink before they break."""
    if panel.y_ticks is None or _cells(panel) is None:
        return page.small
    widest = max(text_width(name, page.font, page.small) for name in panel.y_ticks.labels)
    fits = 0.99 * page.small * names_room(page) / max(widest, 1.0)  # exactly may be a hair less
    return min(page.small, max(fits, LEAST_SIZE))


def rows(spec: FigureSpec, page: Page) -> list[float]:
    """The height that the panels of each row want."""
    width = panel_width(spec, page)
    heights = [_height(panel, spec, page, width) for panel in spec.panels]
    n = spec.columns
    return [max(heights[i : i + n]) for i in range(0, len(heights), n)]


def _height(panel: Panel, spec: FigureSpec, page: Page, width: float) -> float:
    cells = _cells(panel)
    if cells is not None:
        high, across = len(cells.values), max(len(cells.values[0]), 1)
        most = max((name.count("\n") for name in row_names(panel, page)), default=0)
        least = max(1.5 * page.tiny, (most + 1) * LINE * row_names_size(panel, page))
        return high * max(min(width / across, 3.0 * page.size), least)
    if panel.y_ticks is not None and panel.y_range is not None:
        most = max((name.count("\n") for name in row_names(panel, page)), default=0)
        low, high_end = sorted(panel.y_range)
        return (high_end - low) * (ROW + most * 0.9) * page.size
    return spec.aspect * width


def _cells(panel: Panel) -> Cells | None:
    return next((layer for layer in panel.layers if isinstance(layer, Cells)), None)


def turn(ticks: Ticks, shown: tuple[float, float], page: Page, width: float) -> int:
    """By how much (degrees) names under an axis have to be turned to stand apart: 0, 35 or 90."""
    places = sorted(ticks.places)
    if len(places) < 2:
        return 0
    room = _room(places, shown, width)
    widest = max(text_width(name, page.font, page.small) for name in ticks.labels)
    if widest + 0.5 * page.small <= room:
        return 0
    return 35 if room * math.sin(math.radians(35)) >= LINE * page.small else 90


def names_size(ticks: Ticks, shown: tuple[float, float], page: Page, width: float) -> float:
    """Size of upright names under an axis: smaller than usual where many stand side by side."""
    room = _room(sorted(ticks.places), shown, width) / LINE
    return min(page.small, max(room, LEAST_SIZE))


def _room(places: list[float], shown: tuple[float, float], width: float) -> float:
    """Between two neighbouring places (points)."""
    nearest = min(b - a for a, b in zip(places, places[1:], strict=False))
    return width * nearest / (abs(shown[1] - shown[0]) or 1.0)


def scale_below(page: Page) -> bool:
    """Whether a colour scale lies below its panels: beside them it takes room from narrow ones."""
    return page.points < SCALE_BESIDE_FROM


def legend_columns(names: list[str], page: Page) -> int:
    """The most columns in which the entries of a legend are no wider than the page."""
    em = page.small
    lengths = [
        max(text_width(line, page.font, em) for line in name.split("\n"))
        + (HANDLE + HANDLE_PAD) * em
        for name in names
    ]
    for n in range(len(names), 1, -1):
        # matplotlib fills column by column, the first ones with one entry more.
        size, more = divmod(len(names), n)
        starts = [i * size + min(i, more) for i in range(n + 1)]
        widths = [max(lengths[a:b]) for a, b in zip(starts, starts[1:], strict=False)]
        if sum(widths) + (n - 1) * COLUMN_GAP * em + em <= page.points:
            return n
    return 1
