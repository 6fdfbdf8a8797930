"""`FigureSpec` → matplotlib, for paper. No pyplot: nothing global is touched beyond a call.

The width is the page's; the height follows from what is drawn (`paper_layout`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from sapo_analysis.errors import unknown
from sapo_analysis.figures import paper_layout as layout
from sapo_analysis.figures.fonts import check_characters
from sapo_analysis.figures.legibility import grey_twins, text_problems
from sapo_analysis.figures.paper_axes import Dress
from sapo_analysis.figures.paper_layers import draw_layers
from sapo_analysis.figures.paper_places import Parts, Scale, place
from sapo_analysis.figures.paper_style import DPI, PaperFigure, drawing
from sapo_analysis.figures.paper_text import fitted, lines, plain, text
from sapo_analysis.figures.spec import FigureSpec
from sapo_analysis.figures.stamp import Stamp
from sapo_analysis.figures.venues import Page

KINDS = ("pdf", "svg", "png")
MOST_TOLD = 10
"""Texts in trouble that are told of; a matrix that is too narrow has hundreds."""


@dataclass(frozen=True)
class Drawn:
    """A figure on its page: drawn once, written to as many kinds of files as are wanted.

    It may be used in any thread; threads draw one after the other.
    """

    spec: FigureSpec
    page: Page
    figure: PaperFigure

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        width, height = self.figure.get_size_inches()
        return float(width), float(height)

    def bytes(self, kind: str, stamp: Stamp | None = None) -> bytes:
        """A file, dated by its stamp alone, so that equal data is equal bytes.

        Args:
            kind: `pdf`, `svg` or `png`.
            stamp: where its numbers come from; without it the file says nothing of that.

        Raises:
            InputError: another kind is asked for.
        """
        if kind not in KINDS:
            raise unknown("figure format", kind, list(KINDS))
        undated: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
        said = {"Title": self.spec.name} if stamp is None else stamp.metadata(kind)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format=kind, dpi=DPI, metadata={**undated[kind], **said})
        return buffer.getvalue()

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What a reader could not read, one sentence each; none where all is well."""
        with drawing(self.page):
            texts = text_problems(self.figure)
        if len(texts) > MOST_TOLD:
            texts[MOST_TOLD:] = [f"{len(texts) - MOST_TOLD} more texts like these"]
        others, high = grey_twins(self.spec), self.size[1]
        if high > layout.TALLEST + 0.01:  # what was fitted to it may be off by a rounding
            others.append(f"it is {high:.1f} inches high, more than a page holds")
        return (*texts, *others)


def draw(spec: FigureSpec, page: Page) -> Drawn:
    """Draw every layer of every panel on a page.

    Raises:
        InputError: a text has a character that the page's font lacks.
        WorkError: the page's font is not where the installation should have it.
    """
    fits = replace(spec, columns=layout.columns(spec, page))
    with drawing(page):
        figure = _figure(fits, page)
        for found in figure.findobj(Text):
            check_characters(plain(found.get_text()), page.font)
    return Drawn(spec, page, figure)


def render(spec: FigureSpec, page: Page) -> Figure:
    """The figure of `draw`, to go on with. It keeps its page's settings when it is saved."""
    return draw(spec, page).figure


def to_bytes(spec: FigureSpec, kind: str, page: Page, stamp: Stamp | None = None) -> bytes:
    """One file of `draw`.

    Raises:
        InputError: another kind is asked for, or the font lacks a character.
    """
    if kind not in KINDS:
        raise unknown("figure format", kind, list(KINDS))
    return draw(spec, page).bytes(kind, stamp)


def _figure(spec: FigureSpec, page: Page) -> PaperFigure:
    heights = layout.rows(spec, page)
    figure = PaperFigure(page, figsize=(page.width, 1.0))
    panels: list[Dress] = []
    meshes: dict[tuple[float, str], list[tuple[int, QuadMesh]]] = {}
    for index, panel in enumerate(spec.panels):
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), label=f"{index}")
        drawn = draw_layers(axes, spec, panel, page)
        for scale, mesh in drawn.scales.items():
            meshes.setdefault(scale, []).append((index, mesh))
        named = not (spec.names_rows_once and index % spec.columns)
        panels.append(Dress(axes, spec, panel, page, names=named, notes=drawn.notes))
    parts = Parts(figure, page, heights, spec.columns, panels)
    parts.scales = [
        _scale(figure, page, unit, shown, spec.columns) for (_, unit), shown in meshes.items()
    ]
    if spec.x_title:
        parts.x_title = figure.supxlabel(
            fitted(spec.x_title, page, page.points), fontsize=page.size, va="bottom", **lines(page)
        )
    if spec.y_title:
        said = fitted(spec.y_title, page, sum(heights))
        parts.y_title = figure.supylabel(
            said, fontsize=page.size, ha="left", multialignment="center", **lines(page)
        )
    parts.legend = _legend(figure, page) if spec.legend else None
    place(parts, layout.panel_width(spec, page))
    return figure


def _scale(
    figure: Figure, page: Page, unit: str, shown: list[tuple[int, QuadMesh]], columns: int
) -> Scale:
    """The colour scale that some panels share."""
    axes = figure.add_axes((0.0, 0.0, 0.1, 0.1), label=f"scale {unit}")
    below = layout.scale_below(page)
    bar = figure.colorbar(shown[-1][1], cax=axes, orientation="horizontal" if below else "vertical")
    bar.set_label(text(unit), size=page.small, **lines(page))
    bar.outline.set_linewidth(0.4)
    places = [divmod(index, columns) for index, _ in shown]
    return Scale(axes, [row for row, _ in places], [column for _, column in places], below)


def _legend(figure: Figure, page: Page) -> Legend | None:
    """One legend above all panels; each label once."""
    found: dict[str, Any] = {}
    for part in figure.axes:
        for handle, label in zip(*part.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return None
    names = [fitted(name, page, 0.8 * page.points, page.small) for name in found]
    legend = figure.legend(
        list(found.values()),
        names,
        loc="upper left",
        ncols=layout.legend_columns(names, page),
        frameon=False,
        handlelength=layout.HANDLE,
        handletextpad=layout.HANDLE_PAD,
        columnspacing=layout.COLUMN_GAP,
        borderaxespad=0.2,
        borderpad=0.2,
    )
    for name in legend.get_texts():
        name.set(**lines(page))
    return legend
