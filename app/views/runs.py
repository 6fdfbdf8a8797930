"""Runs: every run there is, shipped or one's own, in one table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import run_tables
from sapo_analysis.app.components import acting, header, links, run_panel
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.import_results import import_panel
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import all_runs, runs_folders
from sapo_analysis.app.state import begin_link, check_link, ignored

CHOSEN = "chosen"  # query parameter: ids of the chosen runs, repeated
WIDTHS = {"run": 215, "progress": 95, "tasks": 190, "remark": 260}


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    st.subheader("Runs", anchor=False)
    notes = st.container()
    acting.show_said()
    folders = runs_folders()
    tags, wrong = run_tables.all_tags(folders)
    for reason in wrong:
        st.warning(md(reason), icon=":material/sell:")
    runs = all_runs()
    if not runs:
        st.markdown("No runs yet. Launch a study, import results, or copy a run folder in.")
        st.caption("Looked in: " + ", ".join(md(str(folder)) for folder in folders))
    else:
        table = run_tables.rows(list(runs.values()), tags)
        shown = _filtered(table)
        chosen = st.query_params.get_all(CHOSEN)
        header.absent_runs(chosen, runs)
        chosen = [run_id for run_id in chosen if run_id in runs]
        _table(shown, chosen)
        if chosen:
            run_panel.panel([runs[run_id] for run_id in chosen], tags, _forget)
        else:
            st.caption("Choose runs by the boxes on the left: one to open it, several to compare.")
    with st.container(horizontal=True):
        links.link("launch", "Launch a study", ":material/rocket_launch:", "A form, filled in.")
        links.link("live", "What is at work", ":material/play_circle:", "The run at work.")
    with st.expander("Import results made by other tools", key="import-open"):
        import_panel()
    with notes:
        header.ignored(ignored())


def _filtered(table: pd.DataFrame) -> pd.DataFrame:
    states = [state for state in run_tables.STATES if state in set(table["state"])]
    kinds = [kind for kind in run_tables.KINDS.values() if kind in set(table["kind"])]
    # One that no run has now is no error: runs change their state.
    check_link("states", run_tables.STATES)
    check_link("kinds", run_tables.KINDS.values())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key="search",
            placeholder="name, task, model, tag, remark",
            help="Shows the runs in which every word occurs.",
            bind="query-params",
            width=270,
        )
        some_states = st.multiselect(
            "State",
            states,
            key="states",
            help="No choice: all of them.",
            placeholder="all states",
            bind="query-params",
            width=190,
        )
        some_kinds = st.multiselect(
            "Kind",
            kinds,
            key="kinds",
            help="No choice: all of them.",
            placeholder="all kinds",
            bind="query-params",
            width=190,
        )
    found = run_tables.matching(table, search or "", some_states, some_kinds)
    if len(found) < len(table):
        st.caption(f"{len(found):,} of {counted(len(table), 'run')}.")
    return found


def _table(shown: pd.DataFrame, chosen: Sequence[str]) -> None:
    """The table; a row's box chooses its run, and the address keeps which are chosen."""
    if shown.empty:
        st.info("No run matches. Take a word or a filter away.")
        return
    ids = list(shown["run"])
    rows = [i for i, run_id in enumerate(ids) if run_id in set(chosen)]
    # A table with a key keeps the numbers of chosen rows: other rows, another key. What is chosen
    # belongs to it too, for a choice that is let go elsewhere.
    digest = hashlib.sha256("\n".join([*ids, "", *chosen]).encode()).hexdigest()[:12]
    key = f"runs-{digest}"
    icons = {state: _mark(state) for state in run_tables.STATES}
    formats = {"progress": "percent"}
    config = columns(shown, formats=formats, widths=WIDTHS, pinned="run")
    config["progress"] = st.column_config.ProgressColumn(
        config["progress"]["label"], help=config["progress"]["help"], format="percent", width=95
    )
    config["tags"] = st.column_config.ListColumn(
        config["tags"]["label"], help=config["tags"]["help"]
    )
    st.dataframe(
        shown.assign(state=shown["state"].map(icons)),
        hide_index=True,
        placeholder=MISSING,
        height=min(520, 38 + 35 * len(shown)),
        key=key,
        on_select=lambda: _choose(key, ids, chosen),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": rows}},
        alt=f"{counted(len(shown), 'run')} with state, progress, kind, model and tasks.",
        column_config=config,
    )


def _mark(state: str) -> str:
    """A state with a sign: the table has no icons."""
    return f"{_SIGNS[state]} {state}"


_SIGNS = {
    "running": "▶",
    "stalled": "⌛",
    "queued": "◷",
    "interrupted": "‖",
    "failed": "✕",
    "cancelled": "⊘",
    "done": "✓",
    "damaged": "?",
}


def _choose(key: str, ids: Sequence[str], chosen: Sequence[str]) -> None:
    """Take over the boxes of the rows in sight; runs that a filter hides stay chosen."""
    state = st.session_state.get(key)
    rows = state["selection"]["rows"] if state else []
    hidden = [run_id for run_id in chosen if run_id not in set(ids)]
    _remember([*hidden, *(ids[row] for row in rows if row < len(ids))])


def _remember(run_ids: Sequence[str]) -> None:
    if run_ids:
        st.query_params[CHOSEN] = list(run_ids)
    else:
        st.query_params.pop(CHOSEN, None)


def _forget() -> None:
    _remember([])


page()
