"""Cached calls into `sapo_analysis.paper` for the Figures page, keyed by the runs' versions.

Drawing imports matplotlib, so nothing here does before a figure is drawn.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from sapo_analysis.app.data import Keys, opened
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.figures import Made, every_figure, figure
from sapo_analysis.paper.numbers import Numbers, numbers_of
from sapo_analysis.paper.options import Options
from sapo_analysis.paper.stamps import stamp
from sapo_analysis.paper.tables import MadeTable, TableSpec, every_table, table

if TYPE_CHECKING:
    from sapo_analysis.figures.render_matplotlib import Drawn


@dataclass(frozen=True)
class Paper:
    """What a figure is drawn on, and what it is drawn without.

    Attributes:
        venue: a name of `VENUES`.
        width: `column`, `full`, or inches; None: what each figure is meant for.
        font: `serif` or `sans`.
        without: parts that are left out, of `PARTS`.
    """

    venue: str
    width: str | float | None
    font: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nothing:
    """There is no such figure or table, and why; a value, as what fails is not cached."""

    why: str


@st.cache_resource(max_entries=8, show_spinner="Reading the run …")
def numbers(keys: Keys) -> Numbers | Nothing:
    """The numbers of runs that are read as one; each answer stays with them."""
    try:
        return numbers_of(opened(keys))
    except RunError:
        raise
    except InputError as error:
        return Nothing(str(error))


@st.cache_resource(max_entries=32, show_spinner="Making the figure …")
def figure_of(keys: Keys, name: str, options: Options) -> FigureSpec | Nothing:
    """One figure with all its parts."""
    try:
        return figure(name, _known(keys), options)
    except RunError:
        raise
    except InputError as error:
        return Nothing(str(error))


@st.cache_resource(max_entries=16, show_spinner="Drawing …")
def drawn(keys: Keys, name: str, options: Options, paper: Paper) -> Drawn | Nothing:
    """The figure on its paper, drawn once for its preview and all its files."""
    spec = figure_of(keys, name, options)
    if isinstance(spec, Nothing):
        return spec
    try:
        return spec.without(*paper.without).drawn(paper.venue, paper.width, paper.font)
    except InputError as error:  # the font lacks a character
        return Nothing(str(error))


@st.cache_data(max_entries=32, show_spinner="Drawing …")
def picture(keys: Keys, name: str, options: Options, paper: Paper, title: str, grey: bool) -> bytes:
    """A drawn figure as the PNG that is taken along; `grey`: as a printer without colour has it."""
    made = drawn(keys, name, options, paper)
    if isinstance(made, Nothing):
        raise InputError(made.why)
    png = made.bytes("png", stamp(_known(keys), title))
    return _in_grey(png) if grey else png


def _in_grey(png: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as found:
        found.convert("L").save(buffer, format="PNG")
    return buffer.getvalue()


@st.cache_resource(max_entries=32, show_spinner="Making the table …")
def table_of(keys: Keys, name: str, options: Options) -> TableSpec | Nothing:
    """One table."""
    try:
        return table(name, _known(keys), options)
    except RunError:
        raise
    except InputError as error:
        return Nothing(str(error))


def everything(found: Numbers, paper: Paper) -> bytes:
    """The bundle of all figures and tables of the runs: a zip."""
    from sapo_analysis.paper.bundle import bundle

    figures: list[Made] = list(every_figure(found))
    tables: list[MadeTable] = list(every_table(found))
    return bundle(
        found,
        figures,
        tables,
        venue=paper.venue,
        width=paper.width,
        font=paper.font,
        without=paper.without,
    )


def report(found: Numbers) -> bytes:
    """The static report: one HTML file."""
    from sapo_analysis.paper.html import static_report

    return static_report(found).encode()


def _known(keys: Keys) -> Numbers:
    found = numbers(keys)
    if isinstance(found, Nothing):
        raise InputError(found.why)
    return found
