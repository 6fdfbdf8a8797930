"""Links from one page to another, with the run they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from sapo_analysis.app.components.figure_words import key_of, words_of
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import kind_of
from sapo_analysis.app.state import COMPARED, FIGURE, OF, SHOW, TABLE
from sapo_analysis.paper.figures import FIGURES
from sapo_analysis.paper.tables import TABLES
from sapo_analysis.store import DamagedRun, Run

JOB = "job"
"""Query parameter of links to Live: `run` would be lost on the way from Explore, where a picker
owns it. Live takes both, and shows `run` in the address."""


def link(page: str, label: str, icon: str, help: str, **query: str | list[str]) -> None:
    """A link to a page with its query; label and help are plain text."""
    shown: Mapping[str, str | list[str]] = query
    st.page_link(
        f"views/{page}.py", label=md(label), icon=icon, help=md(help), query_params=dict(shown)
    )


def results_of(runs: Sequence[Run | DamagedRun], label: str, icon: str, help: str) -> None:
    """A link to the page that shows the results of runs of one kind."""
    ids = [run.run_id for run in runs]
    if kind_of(runs[0]) == "sequence":
        link("sequences", label, icon, help, runs=ids)
    else:
        link("explore", label, icon, help, run=ids)


def figures_of(runs: Sequence[Run], label: str, figure: str = "", **options: str | None) -> None:
    """A link to the Figures page of runs.

    Args:
        runs: which.
        label: of the link, plain text.
        figure: a name of `paper.figures.FIGURES`; "": the first that they have.
        options: fields of `paper.options.Options` that are carried over; what is None is not.
    """
    query: dict[str, str | list[str]] = {OF: [run.run_id for run in runs]}
    if figure:
        query[FIGURE] = FIGURES[figure].title
    query |= {key_of(name): words_of(name, v) for name, v in options.items() if v is not None}
    link(
        "figures",
        label,
        ":material/picture_as_pdf:",
        "Other widths and venues, caption, tables, and everything in one file.",
        **query,
    )


def table_of(runs: Sequence[Run], label: str, table: str) -> None:
    """A link to a table of runs on the Figures page; arguments as of a figure."""
    link(
        "figures",
        label,
        ":material/picture_as_pdf:",
        "As it will stand in a paper: LaTeX, Markdown and CSV.",
        **{OF: [run.run_id for run in runs], SHOW: "Tables", TABLE: TABLES[table].title},
    )


def methods_compared(runs: Sequence[Run], label: str) -> None:
    """A link to the page that holds methods beside each other."""
    link(
        "methods_compared",
        label,
        ":material/balance:",
        "These runs by method, beside others.",
        **{COMPARED: [run.run_id for run in runs]},
    )
