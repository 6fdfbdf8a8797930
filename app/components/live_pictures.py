"""The pictures of a run under way, redrawn when a group of its work ends."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import following, sequences
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.diagnostics import diagnostics, has_diagnostics
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.data import Key, loaded
from sapo_analysis.errors import InputError
from sapo_analysis.figures import (
    candidate_strip,
    impact_scatter,
    live_choice,
    stage_matrix,
    strategy_race,
    training_curves,
    trials_grid,
)
from sapo_analysis.store import Run

NOTHING = "The first numbers appear when the first group of work is saved."


def the_choice(run: Run) -> None:
    """Losses of the candidates at hand, as they arrive."""
    told = following.heard(run)
    if not told.candidates:
        return
    texts = following.texts(following.key_of(run), told.task)
    st.markdown(f"##### The choice: {md(told.task)}")
    spec = live_choice(
        told.candidates,
        task=told.task,
        n_texts=run.sequence.scoring.examples,
        original=told.original,
        texts=texts,
        n_candidates=len(texts),
    )
    charts.still(spec, "choice")
    stopped = [choice for choice in told.candidates if choice.stopped]
    if stopped:
        each = ", ".join(f"{c.prompt} at {c.n}" for c in stopped[:6])
        more = " …" if len(stopped) > 6 else "."
        n = run.sequence.scoring.examples
        st.caption(
            f"{len(stopped)} stopped before all {n} texts, since they could not win any more:"
            f" {md(each)}{more}"
        )


def of_sequence(run: Run, key: Key) -> None:
    """Race, standings, one strategy's matrix, training curves."""
    keys = (key,)
    scores = sequences.scores(keys)
    if scores.empty or scores["stage"].max() == 0:
        st.info(NOTHING)
        return
    methods = list(dict.fromkeys(scores["method"]))
    method = methods[0]
    if len(methods) > 1:
        chosen = st.segmented_control(
            "Method",
            methods,
            default=method,
            required=True,
            key="live-method",
            help="Whose strategies the race shows.",
            bind="query-params",
        )
        method = str(chosen or method)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("##### The race")
        n_stages = len(run.sequence.tasks)
        race = strategy_race(sequences.race(keys), method=method, n_stages=n_stages, named=True)
        charts.still(race, "race")
        st.caption("Mean score on the tasks learned so far, original test prompts.")
    with right:
        st.markdown("##### What was known when")
        strategies = list(dict.fromkeys(scores["strategy"]))
        first = next((s for s in strategies if s.startswith("sapo+")), strategies[0])
        strategy = st.selectbox(
            "Strategy",
            strategies,
            index=strategies.index(first),
            key="live-matrix",
            help="Whose matrix of tasks and stages is shown.",
            label_visibility="collapsed",
            bind="query-params",
        )
        charts.still(stage_matrix(scores, [str(strategy)]), "matrix")
        st.caption("Number: score. Colour: gain over the base model.")
    _standings(run, key)
    _curves(key)
    _diagnostics(run, key)


def _standings(run: Run, key: Key) -> None:
    st.markdown("##### Standings so far")
    table = following.standings(key)
    planned = len(run.sequence.orders) * len(run.sequence.seeds)
    so_far = "So far: on the tasks, and over the stages, that each chain has finished."
    st.dataframe(
        table,
        hide_index=True,
        placeholder=MISSING,
        key="standings",
        alt="Standings of the strategies so far.",
        column_config=columns(
            table,
            formats={
                **dict.fromkeys(("chains", "stages_done"), "%d"),
                **dict.fromkeys(("ap", "bwt", "fwt"), "%.1f"),
                **dict.fromkeys(("over_original", "lower", "upper"), "%+.1f"),
                "share": "percent",
            },
            pinned="strategy",
            helps=dict.fromkeys(("ap", "bwt", "fwt"), so_far),
        ),
    )
    verdict = (
        "Verdicts are on the Sequences page." if run.is_complete else ("No verdict before the end.")
    )
    st.caption(
        f"Original test prompts; {counted(planned, 'chain')} of each strategy planned. {verdict}"
    )


def of_paraphrase(run: Run, key: Key) -> None:
    """Candidates by loss, the growing scatter, every trial's mark, training curves."""
    losses = following.candidates(key)
    if losses.empty:
        st.info(NOTHING)
        _grid(key)
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.markdown("##### Candidates by loss")
        charts.still(candidate_strip(losses), "strip")
    with right:
        st.markdown("##### Loss and what it goes with")
        _scatter(run, key)
    _grid(key)
    _curves(key)
    _diagnostics(run, key)


def _scatter(run: Run, key: Key) -> None:
    name, points = following.points(key)
    if points.empty:
        st.info("The first points appear when the first trials are evaluated.")
        return
    prompts = loaded(*key).table("prompts")
    charts.still(
        impact_scatter(points, outcome=name, prompts=prompts, hollow=not run.is_complete),
        "live-scatter",
    )
    if not run.is_complete:
        st.caption("Hollow: numbers will move; no verdict until done.")


def _grid(key: Key) -> None:
    table = following.trials(key)
    if table.empty:
        return
    st.markdown("##### Trials")
    charts.still(trials_grid(table), "grid")


def _curves(key: Key) -> None:
    with st.expander("Training curves", key="curves-open", on_change="rerun") as box:
        if not box.open:
            return
        try:
            charts.still(training_curves(following.curves(key)), "curves")
        except InputError as error:
            st.info(md(str(error)))
        else:
            st.caption("The trials that ended last, thinned to at most 60 points each.")


def _diagnostics(run: Run, key: Key) -> None:
    if not has_diagnostics([run]):
        return
    with st.expander("Diagnostics", key="diagnostics-open", on_change="rerun") as box:
        if box.open:
            diagnostics((key,), [run])
