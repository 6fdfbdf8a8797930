"""The top of a page: which run, in what state, and what it is a run of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from sapo_analysis.analysis.cautions import NOT_CHECKED
from sapo_analysis.analysis.wording import RANDOM_WEIGHTS, counted
from sapo_analysis.app.components import links
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import kind_of
from sapo_analysis.app.estimates import Facts
from sapo_analysis.spec import ImportedResults
from sapo_analysis.store import DamagedRun, Run
from sapo_analysis.store.layout import LOG
from sapo_analysis.store.logs import tail

LONGEST_SHOWN = 80
"""Of a value from a link this much is repeated (characters)."""

MOST_RUNS = 12
"""Chosen at once, at most."""


def runs_picker(runs: dict[str, Run | DamagedRun], key: str = "run") -> list[Run | DamagedRun]:
    """Choose among the known runs; the shipped default stands first.

    Args:
        runs: By id.
        key: Of the picker, and its query parameter.
    """
    chosen = st.multiselect(
        "Runs",
        list(runs),
        default=None if key in st.session_state else [next(iter(runs))],
        key=key,
        help="Shipped runs and those in your runs folder. Several are read as one where they are"
        " equal in model, data and settings, else shown beside each other.",
        placeholder="Choose a run",
        label_visibility="collapsed",
        bind="query-params",
        max_selections=MOST_RUNS,
        width=320,
    )
    return [runs[run_id] for run_id in chosen if run_id in runs]


def absent_runs(wanted: Sequence[str], runs: Mapping[str, Run | DamagedRun]) -> None:
    """Say so when the link names a run that is not here; whether others are shown is seen."""
    for run_id in wanted:
        if run_id not in runs:
            st.warning(
                f"Run {md(run_id[:LONGEST_SHOWN])} is not here: deleted, or never copied to this"
                " machine. To see it, copy its folder into your runs folder.",
                icon=":material/link_off:",
            )


def other_runs(
    parameter: str,
    everything: Mapping[str, Run | DamagedRun],
    runs: Mapping[str, Run | DamagedRun],
) -> None:
    """Say which runs of the link are not among those of this page, and where they are shown."""
    wanted = st.query_params.get_all(parameter)
    absent_runs([run_id for run_id in wanted if run_id not in everything], runs)
    for run_id in wanted:
        if run_id in everything and run_id not in runs:
            is_sequence = kind_of(everything[run_id]) == "sequence"
            what = "a sequence run" if is_sequence else "no sequence run"
            with st.container(horizontal=True, vertical_alignment="center"):
                st.info(
                    f"Run {md(run_id)} is {what}: see {'Sequences' if is_sequence else 'Explore'}."
                    " This page does not show it.",
                    icon=":material/conversion_path:",
                )
                links.results_of(
                    [everything[run_id]], "Open it there", ":material/insights:", "Its own page."
                )


def badges(runs: Sequence[Run], facts: Facts) -> None:
    """Size and state of the runs in a glance."""
    low, high = facts.n_prompts
    n = f"{low}" if low == high else f"{low}–{high}"
    size = f"{counted(len(facts.tasks), 'task')} · {n} prompts · {counted(facts.n_seeds, 'seed')}"
    st.badge(size, color="gray", help="Current tasks · prompts per task · main seeds.")
    if len(runs) > 1:
        st.badge(
            f"{len(runs)} runs joined",
            icon=":material/join:",
            color="gray",
            help="Equal in model, data and settings; they differ in tasks, prompts or seeds.",
        )
    no_provenance(runs)
    random_weights(runs)
    for state in dict.fromkeys(run.status.state for run in runs if not run.is_complete):
        st.badge(state, icon=":material/hourglass_top:", color="orange")


def no_provenance(runs: Sequence[Run]) -> None:
    """A badge where results were imported."""
    if any(run.is_imported for run in runs):
        st.badge(
            "no provenance",
            icon=":material/upload_file:",
            color="orange",
            help=f"Imported results: {NOT_CHECKED}.",
        )


def random_weights(runs: Sequence[Run]) -> None:
    """A badge where the base model of a run was never trained."""
    if any(run.has_random_weights for run in runs):
        st.badge(
            RANDOM_WEIGHTS,
            icon=":material/casino:",
            color="orange",
            help="The base model was never trained: this run is a control and gets no verdict.",
        )


def made_with(run: Run) -> str:
    """Model and method, of imported results where they are from; as Markdown."""
    if isinstance(run.study, ImportedResults):
        source = md(run.study.file) or "a table in memory"
        return f"Imported from {source}; model: {md(run.study.model)}."
    model = run.provenance.get("model", {}).get("name", run.study.model)
    return f"{md(str(model))}, {md(run.paraphrase.method)}."


def abouts(runs: Sequence[Run]) -> None:
    """What whoever put the runs here wants their readers to know; what is said of several once."""
    for text in dict.fromkeys(run.about for run in runs if run.about):
        st.info(md(text), icon=":material/sticky_note_2:")


def partial_note(run: Run, named: bool = False) -> None:
    """What an unfinished run can and cannot say; `named`: which it is has to be said."""
    if run.is_complete:
        return
    which = f"{md(run.run_id)}: " if named else ""
    text = which + (
        f"{run.status.done} of {run.status.total} trials. Numbers will move; no verdict until done."
    )
    if run.status.next_step:
        step = run.status.next_step.replace("`", "")
        text += f" {md(step)}"
    st.warning(text, icon=":material/hourglass_top:")


def ignored(values: Sequence[str]) -> None:
    """Say what of the link could not be followed."""
    if values:
        shown = ", ".join(md(value[:LONGEST_SHOWN]) for value in values)
        st.warning(
            f"The link asks for what is not here: {shown}. It was left out.",
            icon=":material/link_off:",
        )


def copy_link(name: str, run_ids: Sequence[str]) -> None:
    """The address of this view, ready to be copied; the shown runs are named in it, as `name`."""
    with st.popover("Copy link", icon=":material/link:", help="A link to exactly this view."):
        chosen = [key for key in st.query_params if key != name]
        pairs = [(key, v) for key in chosen for v in st.query_params.get_all(key)]
        pairs = [*((name, run_id) for run_id in run_ids), *pairs]
        address = (st.context.url or "").split("?")[0]
        st.code(
            f"{address}?{urlencode(pairs)}" if pairs else address, language=None, wrap_lines=True
        )


def damaged(run: DamagedRun | Run, reason: str) -> None:
    """A run that cannot be read: what is wrong, and that the others are fine."""
    text = (
        reason if "Other runs are unaffected" in reason else f"{reason} Other runs are unaffected."
    )
    st.error(md(text), icon=":material/broken_image:")
    st.caption("Choose another run above.")
    if last := tail(run.path, LOG):
        with st.expander("Log"):
            st.code(last, language=None)
