"""Cached calls into `sapo_analysis.analysis.sequences`, keyed by the chosen runs' versions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis import sequences
from sapo_analysis.analysis.joining import check_joinable
from sapo_analysis.app.data import loaded
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

Keys = tuple[tuple[str, str], ...]
"""(path, version) of each chosen run."""


@st.cache_data(max_entries=6, show_spinner="Reading the sequences …")
def scores(keys: Keys) -> pd.DataFrame:
    """Every chain's scores by stage and task."""
    return sequences.sequence_scores([loaded(*key) for key in keys])


@st.cache_data(max_entries=6, show_spinner="Comparing strategies …")
def report(keys: Keys) -> dict[str, Any]:
    """The whole report."""
    return sequences.sequence_report([loaded(*key) for key in keys])


@st.cache_data(max_entries=6, show_spinner=False)
def summary(keys: Keys) -> pd.DataFrame:
    """Metrics of every strategy with intervals."""
    return sequences.summary(sequences.chain_metrics(scores(keys)))


@st.cache_data(max_entries=6, show_spinner=False)
def race(keys: Keys) -> pd.DataFrame:
    """Mean score on learned tasks by stage."""
    return sequences.stage_means(scores(keys))


@st.cache_data(max_entries=6, show_spinner=False)
def choices(keys: Keys) -> pd.DataFrame:
    """What every chain chose."""
    return sequences.choices([loaded(*key) for key in keys])


def run_of(keys: Keys, run_id: str) -> Run:
    """One of the chosen runs."""
    return next(run for run in (loaded(*key) for key in keys) if run.run_id == run_id)


@st.cache_data(max_entries=6, show_spinner=False)
def families(keys: Keys) -> list[list[str]]:
    """Ids of runs that can be read as one: each joins the first family that it fits into."""
    found: list[list[Run]] = []
    for run in (loaded(*key) for key in keys):
        for family in found:
            if _fits(family, run):
                family.append(run)
                break
        else:
            found.append([run])
    return [[run.run_id for run in family] for family in found]


def _fits(family: list[Run], run: Run) -> bool:
    orders = {order for own in family for order in own.sequence.orders}
    if orders & set(run.sequence.orders) or set(run.sequence.tasks) != set(
        family[0].sequence.tasks
    ):
        return False
    try:
        check_joinable([family[0], run])
    except InputError:
        return False
    return run.sequence.strategies == family[0].sequence.strategies
