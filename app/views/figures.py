"""Figures: a figure or table of runs as it will stand in a paper, and its files."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis.app import estimates, paper, sequences
from sapo_analysis.app.components import figure_panel, header, table_panel
from sapo_analysis.app.components.beside import differing
from sapo_analysis.app.components.chosen_runs import show_chosen
from sapo_analysis.app.components.controls import segmented
from sapo_analysis.app.components.empty import empty
from sapo_analysis.app.components.freshness import new_points
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys, all_runs, opened, runs_folders, version
from sapo_analysis.app.paper import Nothing
from sapo_analysis.app.state import OF, SHOW, begin_link
from sapo_analysis.paper.numbers import Numbers, SeveralNumbers
from sapo_analysis.store import DamagedRun, Run

SHOWN = {"figures": "Figures", "tables": "Tables"}
QUESTION = "How will it look on paper?"
ELSEWHERE = ("run", "runs")  # what other pages call the chosen runs: understood here too


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    runs = all_runs()
    if not runs:
        empty([str(folder) for folder in runs_folders()])
        return
    elsewhere = [run_id for name in ELSEWHERE for run_id in st.query_params.get_all(name)]
    header.absent_runs(st.query_params.get_all(OF) or elsewhere, runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = _picker(runs, [run_id for run_id in elsewhere if run_id in runs])
        beside_it = st.container(horizontal=True, vertical_alignment="center", width="content")
        st.space("stretch")
        actions = st.container(horizontal=True, width="content")
    show_chosen(chosen, lambda keys: _figures(keys, beside_it, actions))


def _picker(runs: dict[str, Run | DamagedRun], first: list[str]) -> list[Run | DamagedRun]:
    """Choose runs; those of one sequence study in several orders can be chosen together.

    Args:
        runs: by id.
        first: chosen where the address says nothing under this page's own name.
    """
    chosen = st.multiselect(
        "Runs",
        list(runs),
        default=None if OF in st.session_state else first or [next(iter(runs))],
        key=OF,
        help="Whose figures. Runs that are equal in model, data and settings are read as one,"
        " sequence runs of one study in several orders too.",
        placeholder="Choose a run",
        label_visibility="collapsed",
        bind="query-params",
        max_selections=header.MOST_RUNS,
        width=480,
    )
    mine = [runs[run_id] for run_id in chosen if run_id in runs]
    in_turn = [run for run in runs.values() if isinstance(run, Run) and run.is_sequence]
    if any(run in in_turn for run in mine):
        _offer_family([run.run_id for run in mine], in_turn)
    return mine


def _offer_family(chosen: list[str], in_turn: list[Run]) -> None:
    """The other orders of the chosen study, where there are more than are chosen."""
    keys = tuple((str(run.path), version(run)) for run in in_turn)
    for family in sequences.families(keys):
        if set(chosen) < set(family):
            st.button(
                f"All {len(family)} orders",
                key="family",
                help=md(", ".join(family)),
                type="tertiary",
                icon=":material/join:",
                on_click=_choose,
                args=(family,),
            )


def _choose(run_ids: list[str]) -> None:
    st.session_state[OF] = run_ids


def _figures(keys: Keys, beside_it: DeltaGenerator, actions: DeltaGenerator) -> None:
    runs = opened(keys)
    with beside_it:
        new_points(keys)
        header.no_provenance(runs)
        header.random_weights(runs)
    for run in runs:
        header.partial_note(run, named=len(runs) > 1)
    found = paper.numbers(keys)
    if isinstance(found, Nothing):
        st.warning(md(found.why), icon=":material/call_split:")
        return
    if isinstance(found, SeveralNumbers):
        differing(*estimates.refusal(keys))
    st.subheader(QUESTION, anchor=False)
    header.abouts(runs)
    with actions:
        header.copy_link(OF, [run.run_id for run in runs])
        command = st.container(width="content")
    _shown(keys, found, command)


def _shown(keys: Keys, found: Numbers, command: DeltaGenerator) -> None:
    show = segmented("Show", SHOWN, SHOW, "Pictures, or numbers in rows.")
    if show == "tables":
        table_panel.panel(keys, found, command)
    else:
        figure_panel.panel(keys, found, command)


page()
