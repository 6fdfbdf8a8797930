"""One figure: what is asked of it, how it will look, its caption and its files."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis.app import paper
from sapo_analysis.app.components.export_command import command_popover, figure_command
from sapo_analysis.app.components.figure_controls import (
    kind_control,
    option_controls,
    paper_controls,
)
from sapo_analysis.app.components.figure_files import File, caption_box, files_row
from sapo_analysis.app.components.figure_preview import preview
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.paper import Nothing, Paper
from sapo_analysis.app.state import FIGURE
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures.venues import VENUES, Venue
from sapo_analysis.paper import captions, stamps
from sapo_analysis.paper.figures import Made, kinds_of
from sapo_analysis.paper.numbers import Numbers

KINDS = (
    ("pdf", "application/pdf", "For LaTeX: TrueType text."),
    ("svg", "image/svg+xml", "Text stays text: it can be edited."),
    ("png", "image/png", "300 dots per inch."),
)
HAIR = 0.005
"""Inches by which two widths may differ and be the same."""
CONTROLS = 220
"""Pixels that the controls take: a full-width figure fits beside them at a window of 1280."""
ROOM = (
    "<style>@media (min-width: 800px) {[data-testid='stMainBlockContainer']"
    "{padding-left: 2rem; padding-right: 2rem}}</style>"
)
"""Less margin than other pages have, for the same reason."""


def panel(keys: Keys, found: Numbers, command: DeltaGenerator) -> None:
    """Controls on the left, the figure on its page, then its words.

    Args:
        keys: of the runs.
        found: their numbers.
        command: where the command goes that writes the same file.
    """
    st.html(ROOM)
    with st.container(horizontal=True, gap="small", key="figure-panel"):
        controls = st.container(width=CONTROLS, gap="small", key="figure-controls")
        sheet = st.container(gap="small", key="sheet")
    with controls:
        kind = kind_control("Figure", kinds_of(found), FIGURE)
        try:
            options = option_controls(found, kind)
        except RunError:
            raise
        except InputError as error:  # nothing has ended yet
            with sheet:
                st.info(md(str(error)))
            return
        spec = paper.figure_of(keys, kind.name, options)
        if isinstance(spec, Nothing):
            with sheet:
                st.info(md(spec.why))
            return
        on, in_grey = paper_controls(spec)
    made = Made(kind, options, spec)
    with sheet:
        _sheet(keys, made, on, in_grey, found)
    with command:
        command_popover(figure_command(found, kind, options, on), found)
    with sheet:
        caption_box(spec.without(*on.without).caption, kind, found)


def _sheet(keys: Keys, made: Made, on: Paper, in_grey: bool, found: Numbers) -> None:
    """The picture, what is wrong with it, and its files."""
    assert made.spec is not None
    drawn = paper.drawn(keys, made.kind.name, made.options, on)
    if isinstance(drawn, Nothing):
        st.warning(md(drawn.why), icon=":material/font_download_off:")
        return
    stamp = stamps.stamp(found, made.kind.title)
    width, height = drawn.size
    venue = VENUES[on.venue]
    st.caption(f"True size at 100 % zoom: {width:.4g} × {height:.3g} in{_place(width, venue)}.")
    png = paper.picture(keys, made.kind.name, made.options, on, made.kind.title, in_grey)
    caption = captions.draft(made.spec.without(*on.without).caption, found)
    preview(png, width, made.spec.alt, venue, caption)
    if drawn.problems:
        listed = "".join(f"\n- {md(problem)}" for problem in drawn.problems)
        st.warning(f"{_what_to_do(width, venue)}{listed}", icon=":material/format_overline:")
    files = [
        File(
            kind.upper(),
            f"{made.name}.{kind}",
            mime,
            lambda kind=kind: drawn.bytes(kind, stamp),  # type: ignore[misc]
            help,
        )
        for kind, mime, help in KINDS
    ]
    spec = made.spec
    numbers = File(
        "Numbers (CSV)", f"{made.name}.csv", "text/csv", spec.to_csv, "A row per drawn mark."
    )
    files_row([*files, numbers], found, on)


def _place(width: float, venue: Venue) -> str:
    """What of the venue's page a width is."""
    if math.isclose(width, venue.full, abs_tol=HAIR):
        return f", the full width of {venue.title}"
    return f", a column of {venue.title}" if math.isclose(width, venue.column, abs_tol=HAIR) else ""


def _what_to_do(width: float, venue: Venue) -> str:
    first = "Not everything comes out well on paper."
    if width < venue.full - HAIR:
        return f"{first} Choose the full width, or leave an annotation out:"
    return f"{first} Leave an annotation out, or show less at once:"
