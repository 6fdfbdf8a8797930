"""What stands around a panel on paper: labels, ticks, title, statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from sapo_analysis.figures import paper_layout as layout
from sapo_analysis.figures.paper_layers import Noted
from sapo_analysis.figures.paper_style import DPI, HAIR
from sapo_analysis.figures.paper_text import LEADING, fitted, lines, text
from sapo_analysis.figures.spec import FigureSpec, Panel, Ticks
from sapo_analysis.figures.theme import NEUTRAL
from sapo_analysis.figures.venues import POINTS_PER_INCH, Page

ABOVE = 3.0
"""Points between a panel and what stands above it."""
LEAST_NOTE = 8.0
"""A note may reach out of its panel rather than be narrower than this (font sizes)."""
LEAST_ROOM = 5.0
"""A label of an axis may be as long as this (font sizes), however low its panel is."""

MOST_POWERS = 6
"""Powers of ten along an axis before some are left out, however low its panel is."""


class Dress:
    """Everything around one panel; what depends on its size can be set again.

    Attributes:
        axes: the panel's.
        over: texts above it.
        notes: texts in it, which may reach out of it.
    """

    def __init__(
        self,
        axes: Axes,
        spec: FigureSpec,
        panel: Panel,
        page: Page,
        *,
        names: bool,
        notes: Sequence[Noted] = (),
    ) -> None:
        """Set all that does not depend on the panel's size; `names`: it names its rows itself."""
        self.axes, self.panel, self.page, self.notes = axes, panel, page, notes
        self._titled = bool(spec.x_title), bool(spec.y_title)
        self._before: list[Any] = []
        if panel.x_log:
            axes.set_xscale("log")
        if panel.y_log:
            axes.set_yscale("log")
        if panel.x_range is not None:
            axes.set_xlim(*panel.x_range)
        if panel.y_range is not None:
            axes.set_ylim(*panel.y_range)
        for axis, is_log in ((axes.xaxis, panel.x_log), (axes.yaxis, panel.y_log)):
            if is_log:
                _name_powers(axis)
        if panel.y_ticks is not None:
            rows = [text(name) for name in layout.row_names(panel, page)]
            size = layout.row_names_size(panel, page)
            axes.set_yticks(panel.y_ticks.places, rows, **lines(page), fontsize=size)
        if not names:
            axes.tick_params(axis="y", labelleft=False)
        if panel.x_zero:
            axes.axvline(0, color=NEUTRAL, lw=HAIR, zorder=1)
        if panel.y_zero:
            axes.axhline(0, color=NEUTRAL, lw=HAIR, zorder=1)
        self._said = self._subtitle() if panel.subtitle else None
        title = axes.set_title("", loc="left")
        self.over: list[Text] = [title] if self._said is None else [title, self._said]

    def _subtitle(self) -> Annotation:
        where: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        style: dict[str, Any] = {"va": "bottom", **lines(self.page)}
        return self.axes.annotate(
            "", (0, 1), (0, ABOVE), **where, **style, fontsize=self.page.small
        )

    def fit(self, width: float, height: float) -> bool:
        """Break texts into lines for a panel of that size (points); whether anything changed."""
        axes, panel, page = self.axes, self.panel, self.page
        x_label = _with_multiplier(panel.x_label, axes.xaxis, self._titled[0])
        y_label = _with_multiplier(panel.y_label, axes.yaxis, self._titled[1])
        axes.set_xlabel(fitted(x_label, page, width), **lines(page))
        room = max(height, LEAST_ROOM * page.size)
        axes.set_ylabel(fitted(y_label, page, room), **lines(page))
        angle = 0
        if panel.x_ticks is not None:
            angle = _x_ticks(axes, panel.x_ticks, page, width)
        pad = ABOVE
        if axes.yaxis.get_offset_text().get_visible() and axes.yaxis.get_offset_text().get_text():
            pad += page.small * layout.LINE
        if self._said is not None:
            said = fitted(panel.subtitle, page, width, page.small)
            self._said.set_text(said)
            self._said.xyann = (0, pad)
            pad += (said.count("\n") + 1) * page.small * LEADING + 0.3 * page.size
        title = fitted(panel.title, page, width)
        axes.set_title(title, loc="left", pad=pad, **lines(page))
        self._fit_notes()
        said_in = [noted.drawn.get_text() for noted in self.notes]
        now = [axes.get_xlabel(), axes.get_ylabel(), title, pad, angle, said_in]
        changed, self._before = now != self._before, now
        return changed

    def _fit_notes(self) -> None:
        """Break notes into lines that end with the panel, as far as that leaves room for words."""
        inside = self.axes.get_window_extent()
        for noted in self.notes:
            x = self.axes.transData.transform((noted.note.x, noted.note.y))[0]
            left, right = x - inside.x0, inside.x1 - x
            room = {"left": right, "right": left}.get(noted.note.anchor, 2 * min(left, right))
            room = max(room * POINTS_PER_INCH / DPI, LEAST_NOTE * self.page.tiny)
            noted.drawn.set_text(fitted(noted.note.text, self.page, room, self.page.tiny))

    def pin(self, renderer: RendererBase) -> None:
        """Let ticks and labels stay as they are now, in every file and at every resolution.

        matplotlib would choose and measure them anew in each drawing.
        """
        to_shares = self.axes.transAxes.inverted()
        for axis in (self.axes.xaxis, self.axes.yaxis):
            axis.set_major_locator(FixedLocator(list(axis.get_majorticklocs())))
            axis.get_tightbbox(renderer)
            where = axis.label.get_transform().transform(axis.label.get_position())
            axis.set_label_coords(*to_shares.transform(where))


def _with_multiplier(label: str, axis: Axis, elsewhere: bool) -> str:
    """The label, and what all numbers along the axis are to be multiplied by, if they are.

    At the axis' end, where matplotlib writes it, a title or a long label would cover it. Without
    a label of its own the axis keeps it there.
    """
    multiplier = axis.get_offset_text()
    if not label or elsewhere:
        return label
    multiplier.set_visible(False)
    said = multiplier.get_text()
    return f"{label}, {'× ' if said[:1].isdigit() else ''}{said}" if said else label


def _name_powers(axis: Axis) -> None:
    """Numbers along a logarithmic axis: of few decades more than powers of ten, of many those."""
    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low)
    between = (1.0, 2.0, 5.0) if decades < 1 else (1.0, 3.0) if decades < 2 else (1.0,)
    axis.set_major_locator(LogLocator(subs=between, numticks=MOST_POWERS))
    axis.set_major_formatter(FuncFormatter(_short))
    # Minor labels run into each other.
    axis.set_minor_formatter(NullFormatter())


def _short(value: float, _: object) -> str:
    """A number that is 1, 2 or 5 times a power of ten."""
    digits, e, power = f"{value:g}".partition("e")
    return (f"{digits}{e}{int(power)}" if e else digits).replace("-", "\N{MINUS SIGN}")


def _x_ticks(axes: Axes, ticks: Ticks, page: Page, width: float) -> int:
    """Name places of the x axis, turned where they would cover each other; the angle."""
    names = [text(name) for name in ticks.labels]
    angle = layout.turn(ticks, axes.get_xlim(), page, width)
    # What an earlier try has set stays where it is not set again.
    style: dict[str, Any] = {"rotation": angle, "ha": "center", "rotation_mode": "default"}
    if angle == 35:
        style |= {"ha": "right", "rotation_mode": "anchor"}
    size = layout.names_size(ticks, axes.get_xlim(), page, width) if angle == 90 else page.small
    axes.set_xticks(ticks.places, names, **style, fontsize=size)
    return angle
