"""One table of a paper: how it will read, its LaTeX, its files."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis.app import paper
from sapo_analysis.app.components.export_command import command_popover, table_command
from sapo_analysis.app.components.figure_controls import kind_control, option_controls
from sapo_analysis.app.components.figure_files import File, caption_box, files_row
from sapo_analysis.app.components.figure_panel import CONTROLS, ROOM
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys
from sapo_analysis.app.paper import Nothing, Paper
from sapo_analysis.app.state import TABLE
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.paper.citations import cited
from sapo_analysis.paper.numbers import Numbers
from sapo_analysis.paper.tables import MadeTable, table_kinds_of

BOOKTABS = (
    "<style>.st-key-read-table table {border-collapse: collapse; border-top: 2px solid;"
    " border-bottom: 2px solid; font-size: .85rem}"
    " .st-key-read-table :is(th, td) {border: 0; padding: .15rem .55rem}"
    " .st-key-read-table td[style*=right] {white-space: nowrap}"
    " .st-key-read-table thead {border-bottom: 1px solid}"
    " .st-key-read-table p {font-size: .85rem}</style>"
)
"""Rules and tight rows, as the table has them on paper."""


def panel(keys: Keys, found: Numbers, command: DeltaGenerator) -> None:
    """Controls on the left, the table beside them, then its words; arguments as of a figure."""
    kinds = table_kinds_of(found)
    if not kinds:
        st.info("Runs that stand beside each other have no tables: choose one of them.")
        return
    st.html(ROOM)
    with st.container(horizontal=True, gap="small", key="table-panel"):
        controls = st.container(width=CONTROLS, gap="small")
        sheet = st.container(gap="small", key="table-sheet")
    with controls:
        kind = kind_control("Table", kinds, TABLE)
        try:
            options = option_controls(found, kind)
        except RunError:
            raise
        except InputError as error:  # nothing has ended yet
            with sheet:
                st.info(md(str(error)))
            return
    spec = paper.table_of(keys, kind.name, options)
    if isinstance(spec, Nothing):
        with sheet:
            st.info(md(spec.why))
        return
    made = MadeTable(kind, options, spec)
    latex = spec.to_latex(cites=cited(kind, found.runs), numbers=found)
    with sheet:
        st.html(BOOKTABS)
        with st.container(key="read-table"):
            st.markdown(spec.to_markdown())
        files_row(
            [
                File("LaTeX", f"{made.name}.tex", "text/x-tex", lambda: latex, "With booktabs."),
                File("Markdown", f"{made.name}.md", "text/markdown", spec.to_markdown, "As above."),
                File("CSV", f"{made.name}.csv", "text/csv", spec.to_csv, "Numbers unrounded."),
            ],
            found,
            Paper("icml", None, "serif"),
        )
        st.code(latex, language="latex", height=320)
        caption_box(spec.caption, kind, found)
    with command:
        command_popover(table_command(found, kind, options), found)
