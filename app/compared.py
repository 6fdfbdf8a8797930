"""Cached calls into `sapo_analysis.analysis.methods_compared`, keyed by the runs' versions."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis import methods_compared
from sapo_analysis.analysis.joining import identity
from sapo_analysis.analysis.method_names import METHOD_WORDS, methods_of
from sapo_analysis.analysis.methods_compared.families import Identity
from sapo_analysis.app.data import Keys, loaded, opened
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import Run


class Family(NamedTuple):
    """Runs that can be compared by method."""

    run_ids: tuple[str, ...]
    words: str


class Compared(NamedTuple):
    """What stands beside what, or why nothing does.

    Attributes:
        sides: words by name of each method or strategy, in order.
        why_not: with the keys that differ; "" where the runs can be compared.
        silent: why there are no verdicts; "" where there are.
    """

    sides: dict[str, str]
    why_not: str
    silent: str


@st.cache_data(max_entries=6, show_spinner="Looking for studies of several methods …")
def families(keys: Keys) -> list[Family]:
    """Families of runs with several methods, and how a button calls them."""
    return [
        Family(
            tuple(run.run_id for run in family),
            f"{family[0].study.model}, {'sequences' if family[0].is_sequence else 'one task'}: "
            + ", ".join(dict.fromkeys(METHOD_WORDS[m] for run in family for m in methods_of(run)))
            + (f" ({len(family)} runs)" if len(family) > 1 else ""),
        )
        for family in methods_compared.comparable_families(opened(keys), _remembered(keys))
    ]


@st.cache_data(max_entries=96, show_spinner=False)
def _identity(path: str, run_version: str) -> dict[str, str]:
    return identity(loaded(path, run_version))


def _remembered(keys: Keys) -> Identity:
    """What tells these runs apart, read once per version of a run."""
    versions = dict(keys)

    def known(run: Run) -> dict[str, str]:
        path = str(run.path)
        return _identity(path, versions[path])

    return known


@st.cache_data(max_entries=12, show_spinner="Looking which runs are one study …")
def studies(keys: Keys) -> list[Keys]:
    """Runs that are one study together, in an order that does not hang on what is chosen."""
    ordered = tuple(sorted(keys))
    versions = dict(ordered)
    families = methods_compared.run_families(opened(ordered), _remembered(ordered))
    return [tuple((str(run.path), versions[str(run.path)]) for run in own) for own in families]


class Studied(NamedTuple):
    """What one study says against plain LoRA, or why it says nothing."""

    table: pd.DataFrame
    why_not: str


@st.cache_data(max_entries=96, show_spinner="Comparing with plain LoRA …")
def against_plain(study: Keys) -> Studied:
    """The comparison of one study; `study` as `studies` gives it."""
    try:
        return Studied(methods_compared.study_comparison(opened(study)), "")
    except InputError as error:  # damaged: nothing of it can be relied on
        return Studied(pd.DataFrame(), str(error))


@st.cache_data(max_entries=96, show_spinner=False)
def relative_costs(study: Keys) -> pd.DataFrame:
    """What fine-tunes of one study cost beside plain LoRA's, with the model; empty if damaged."""
    runs = opened(study)
    try:
        found = methods_compared.relative_costs(runs)
    except RunError:
        return pd.DataFrame()
    models = {run.run_id: str(run.study.model) for run in runs}
    return found.assign(model=found["run_id"].map(models))


@st.cache_data(max_entries=12, show_spinner="Comparing the runs' settings …")
def compared(keys: Keys) -> Compared:
    """The sides of runs."""
    runs = opened(keys)
    try:
        found = {one.name: one.words for one in methods_compared.sides(runs)}
    except RunError:
        raise
    except InputError as error:
        return Compared({}, str(error), "")
    return Compared(found, "", analysis.no_verdict(runs))


@st.cache_data(max_entries=6, show_spinner="Reading what shipped studies said …")
def said(keys: Keys) -> pd.DataFrame:
    """What finished studies said of each method, beside plain LoRA."""
    return methods_compared.said_of_methods(opened(keys), _remembered(keys))


def costs(keys: Keys) -> pd.DataFrame:
    """What a fine-tune took, by run and method, with the model."""
    parts = [part for study in studies(keys) if len(part := relative_costs(study))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@st.cache_data(max_entries=6, show_spinner=False)
def steps(keys: Keys) -> str:
    """Where methods took unequal optimizer steps, which; else ""."""
    return methods_compared.unequal_steps(opened(keys))


@st.cache_data(max_entries=6, show_spinner="Reading the scores …")
def table(keys: Keys) -> pd.DataFrame:
    """The methods table."""
    return methods_compared.method_table(opened(keys))


@st.cache_data(max_entries=6, show_spinner="Reading the scores …")
def tasks(keys: Keys) -> pd.DataFrame:
    """Scores by method and evaluated task."""
    return methods_compared.method_tasks(opened(keys))


@st.cache_data(max_entries=12, show_spinner="Comparing the methods …")
def paired(keys: Keys, reference: str) -> pd.DataFrame:
    """Every method against one of them."""
    return methods_compared.paired_difference(opened(keys), reference)


@st.cache_data(max_entries=6, show_spinner="Comparing the methods …")
def trade_off(keys: Keys) -> pd.DataFrame:
    """Tuned score against the others, by method and checkpoint."""
    return methods_compared.trade_off(opened(keys))


@st.cache_data(max_entries=12, show_spinner="Reading the outputs …")
def outputs(keys: Keys, tuned_task: str) -> pd.DataFrame:
    """What every method answers to the same inputs."""
    return methods_compared.side_by_side(opened(keys), tuned_task)


@st.cache_data(max_entries=12, show_spinner=False)
def examples(keys: Keys, tuned_task: str) -> pd.DataFrame:
    """The inputs, those first at which methods differ most."""
    return methods_compared.telling_examples(outputs(keys, tuned_task))


@st.cache_data(max_entries=12, show_spinner="Reading the curves …")
def format_curves(keys: Keys, of: str = "") -> pd.DataFrame:
    """Tuned score and format ratio by step; `of`: a line per task of one side."""
    return methods_compared.format_curves(opened(keys), of)


@st.cache_data(max_entries=12, show_spinner="Reading the curves …")
def alignment_curves(keys: Keys, of: str = "") -> pd.DataFrame:
    """Gradient alignment by step and module; `of` as there."""
    return methods_compared.alignment_curves(opened(keys), of)


@st.cache_data(max_entries=12, show_spinner=False)
def rises(keys: Keys) -> pd.DataFrame:
    """How far the format ratio rose, by method, with its verdict."""
    return methods_compared.format_rise(opened(keys))


@st.cache_data(max_entries=12, show_spinner=False)
def has_topology(keys: Keys) -> bool:
    """Whether any soft prompt was looked at as a point cloud."""
    return methods_compared.has_topology(opened(keys))


@st.cache_data(max_entries=12, show_spinner="Reading the curves …")
def topology_curves(keys: Keys, of: str = "") -> pd.DataFrame:
    """Total persistence and compactness by step; `of` as in `format_curves`."""
    return methods_compared.topology_curves(opened(keys), of)


@st.cache_data(max_entries=12, show_spinner=False)
def topology_changes(keys: Keys) -> pd.DataFrame:
    """How far these went, by method."""
    return methods_compared.topology_change(opened(keys))


@st.cache_data(max_entries=12, show_spinner=False)
def topology_associations(keys: Keys) -> pd.DataFrame:
    """What they go with at the end."""
    return methods_compared.topology_associations(opened(keys))


@st.cache_data(max_entries=6, show_spinner="Reading the diagrams …")
def pairs(keys: Keys) -> pd.DataFrame:
    """Persistence diagrams of every fine-tune and look."""
    return methods_compared.persistence_pairs(opened(keys))


def tuned_tasks(keys: Keys) -> list[str]:
    """The tasks that fine-tunes of the first run learned."""
    first = opened(keys)[0]
    return list(first.sequence.tasks if first.is_sequence else first.paraphrase.current)
