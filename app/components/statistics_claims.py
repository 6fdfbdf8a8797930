"""What the data say: a sentence for each claim, its two verdicts, and what to know first."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.app import estimates, statistics_estimates
from sapo_analysis.app.components.chips import chips
from sapo_analysis.app.components.text import md
from sapo_analysis.app.state import Studied


def claims_said(studied: Studied) -> None:
    """Every claim, one below the other; the chips are its verdicts in the chosen form."""
    st.markdown("#### What the data say")
    verdicts = [] if studied.silent else estimates.verdicts(studied.keys)
    with st.container(border=True, gap="small", key="claims"):
        for said in statistics_estimates.sentences(studied.keys):
            mine = [v for v in verdicts if v.claim == said.claim and v.form == studied.form]
            with st.container(gap=None, key=f"said-{said.claim}"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    term = entry(said.claim)
                    st.markdown(f"**{term.label}**", help=term.help, width="content")
                    if mine and mine[0].estimate.n_tasks:
                        st.html(chips(mine), width="content")
                st.markdown(f":small[{md(said.sentence)}]")
                if said.warnings:
                    st.caption(f":material/warning: {md(' '.join(said.warnings))}")
    if verdicts:
        st.caption(f"Chips: verdicts in {studied.form}. Each sentence has both forms.")
