"""Cached calls into `sapo_analysis.analysis.sequences`, keyed by the chosen runs' versions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis import sequences
from sapo_analysis.app.data import Keys, opened
from sapo_analysis.store import Run


@st.cache_data(max_entries=6, show_spinner="Reading the sequences …")
def scores(keys: Keys) -> pd.DataFrame:
    """Every chain's scores by stage and task."""
    return sequences.sequence_scores(opened(keys))


@st.cache_data(max_entries=6, show_spinner="Comparing strategies …")
def report(keys: Keys) -> dict[str, Any]:
    """The whole report."""
    return sequences.sequence_report(opened(keys))


def summary(keys: Keys) -> pd.DataFrame:
    """Metrics of every strategy with intervals, as the report has them."""
    table = pd.DataFrame(report(keys)["summary"], columns=sequences.SUMMARY_COLUMNS)
    return table.astype(dict.fromkeys(("value", "lower", "upper"), float))


@st.cache_data(max_entries=6, show_spinner=False)
def race(keys: Keys) -> pd.DataFrame:
    """Mean score on learned tasks by stage."""
    return sequences.stage_means(scores(keys))


@st.cache_data(max_entries=6, show_spinner=False)
def choices(keys: Keys) -> pd.DataFrame:
    """What every chain chose."""
    return sequences.choices(opened(keys))


@st.cache_data(max_entries=24, show_spinner=False)
def chains_behind(keys: Keys, cell: sequences.Cell, kind: str) -> pd.DataFrame:
    """The chains behind a cell."""
    return sequences.cell_chains(scores(keys), choices(keys), cell, kind)


@st.cache_data(max_entries=24, show_spinner="Reading the outputs …")
def examples_behind(keys: Keys, cell: sequences.Cell) -> pd.DataFrame:
    """The kept examples behind a cell."""
    runs = opened(keys)
    kind = sequences.headline_prompts(scores(keys))
    return sequences.cell_examples(runs, chains_behind(keys, cell, kind), cell)


@st.cache_data(max_entries=6, show_spinner=False)
def originals(keys: Keys) -> dict[str, str]:
    """The original prompt's text of each task."""
    prompts = [run.table("prompts") for run in opened(keys)]
    return {
        str(row["task"]): str(row["text"])
        for table in prompts
        for row in table[table["source"] == "original"].to_dict("records")
    }


def run_of(keys: Keys, run_id: str) -> Run:
    """One of the chosen runs."""
    return next(run for run in opened(keys) if run.run_id == run_id)


@st.cache_data(max_entries=6, show_spinner=False)
def families(keys: Keys) -> list[list[str]]:
    """Ids of runs that are one study in several orders."""
    found = sequences.families(opened(keys))
    return [[run.run_id for run in family] for family in found]
