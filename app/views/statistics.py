"""Statistics: what the numbers of a study can carry, and what they cannot."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis import analysis
from sapo_analysis.app import estimates
from sapo_analysis.app.components import header, links
from sapo_analysis.app.components.beside import differing
from sapo_analysis.app.components.chosen_runs import show_chosen
from sapo_analysis.app.components.controls import outcome_and_form
from sapo_analysis.app.components.empty import empty
from sapo_analysis.app.components.freshness import new_points
from sapo_analysis.app.components.statistics_claims import claims_said
from sapo_analysis.app.components.statistics_tabs import tabs
from sapo_analysis.app.data import Keys, all_runs, kind_of, opened, runs_folders
from sapo_analysis.app.state import EFFECT, EFFECT_FORM, STUDY, Studied, begin_link

QUESTION = "What can these numbers carry, and what not?"
NOTHING_YET = "No trial has finished yet. The first numbers appear when the first group ends."


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    everything = all_runs()
    runs = {run_id: run for run_id, run in everything.items() if kind_of(run) != "sequence"}
    if not runs:
        empty([str(folder) for folder in runs_folders()])
        return
    header.other_runs(STUDY, everything, runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = header.runs_picker(runs, STUDY)
        beside_it = st.container(horizontal=True, vertical_alignment="center", width="content")
        st.space("stretch")
        actions = st.container(horizontal=True, vertical_alignment="center", width="content")
    show_chosen(chosen, lambda keys: _statistics(keys, beside_it, actions))


def _statistics(keys: Keys, beside_it: DeltaGenerator, actions: DeltaGenerator) -> None:
    runs = opened(keys)
    with beside_it:
        new_points(keys)
    for run in runs:
        header.partial_note(run, named=len(runs) > 1)
    refused, differences = estimates.refusal(keys)
    if refused:
        differing(refused, differences)
        st.info("Choose one of them, or runs that are equal: these numbers are of one study.")
        return
    facts = estimates.facts(keys)
    if not facts.tasks:
        st.info(NOTHING_YET)
        return
    with beside_it:
        header.badges(runs, facts)
    with actions:
        header.copy_link(STUDY, [run.run_id for run in runs])
    st.subheader(QUESTION, anchor=False)
    st.caption(f"{header.made_with(runs[0])} Not causation, not other models.")
    header.abouts(runs)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        outcome, form = outcome_and_form(facts, EFFECT, EFFECT_FORM)
    with actions:
        links.figures_of(runs, "Figures", outcome=outcome.name, form=form)
    silent = analysis.no_verdict(runs)
    studied = Studied(keys, tuple(runs), outcome, form, facts.tasks, silent)
    claims_said(studied)
    tabs(studied)


page()
