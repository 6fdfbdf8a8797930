"""Sequences: what choosing the training prompt is worth when tasks are learned in turn."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.sequences import TEST_PROMPTS, sizes_in_words
from sapo_analysis.analysis.wording import counted
from sapo_analysis.app import sequences
from sapo_analysis.app.components import charts, header, links
from sapo_analysis.app.components.behind import behind, looked_at
from sapo_analysis.app.components.chain import chain_tab
from sapo_analysis.app.components.diagnostics import NAME as DIAGNOSTICS
from sapo_analysis.app.components.diagnostics import diagnostics, has_diagnostics
from sapo_analysis.app.components.freshness import new_points, shown_keys
from sapo_analysis.app.components.strategies import contrasts_tab, cost_tab, tasks_tab
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys, all_runs, kind_of, opened, version
from sapo_analysis.app.state import begin_link, check_link, ignored
from sapo_analysis.errors import InputError
from sapo_analysis.figures import stage_matrix, strategy_intervals, strategy_race
from sapo_analysis.store import DamagedRun, Run

QUESTION = "What is choosing the training prompt worth when tasks are learned one after another?"
VERDICT_ICONS = {
    "better": ("blue", ":material/check:"),
    "worse": ("orange", ":material/close:"),
    "unclear": ("gray", ":material/drag_handle:"),
    "too few": ("gray", ":material/tag:"),
}
TABS = ["Along a sequence", "Contrasts", "Tasks", "Cost of choosing"]
EVERY_ORDER = "all, by position"
KIND_HELP = (
    "original: the prompt each task came with. training: the prompt a chain learned the task with"
    " (of paft, which draws many, the original), before that the original. test-only: paraphrases"
    " that nothing was trained with."
)


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    everything = all_runs()
    known = {run_id: run for run_id, run in everything.items() if kind_of(run) in ("sequence", "")}
    if not any(isinstance(run, Run) for run in known.values()):
        _empty(list(known.values()))
        return
    header.other_runs("runs", everything, known)
    chosen = _picker(known)
    if not chosen:
        st.info("Choose at least one run above.")
        return
    notes = st.container()
    good = [run for run in chosen if isinstance(run, Run)]
    for run in chosen:
        if isinstance(run, DamagedRun):
            header.damaged(run, run.reason)
    if not good:
        return
    keys = shown_keys(good)
    with st.container(horizontal=True):
        header.copy_link("runs", [run.run_id for run in good])
        new_points(keys)
    try:
        _sequences(opened(keys), keys)
    except InputError as error:
        if len(good) > 1:  # no run need be damaged: these may not be one study
            st.warning(md(str(error)), icon=":material/call_split:")
        else:
            header.damaged(good[0], str(error))
    with notes:
        header.ignored(ignored())


def _empty(damaged: list[Run | DamagedRun]) -> None:
    st.subheader("No sequence runs yet.", anchor=False)
    links.link(
        "launch",
        "Launch a sequence study",
        ":material/rocket_launch:",
        "A form, filled in with a small one.",
        question="sequence",
    )
    st.markdown("Or make one in a terminal, then reload this page:")
    st.code("sapo run sequence-smoke", language="bash")
    for run in damaged:
        if isinstance(run, DamagedRun):
            header.damaged(run, run.reason)


def _picker(known: dict[str, Run | DamagedRun]) -> list[Run | DamagedRun]:
    """Choose runs; those of one study in several orders stand together."""
    keys = tuple((str(r.path), version(r)) for r in known.values() if isinstance(r, Run))
    families = sequences.families(keys)
    chosen = st.multiselect(
        "Runs",
        list(known),
        default=None if "runs" in st.session_state else max(families, key=len),
        key="runs",
        help="Runs of one study in different orders are read as one.",
        bind="query-params",
    )
    if len(families) > 1:
        with st.container(horizontal=True):
            for i, ids in enumerate(family for family in families if family != chosen):
                first = known[ids[0]]
                if isinstance(first, Run):
                    name = f"{first.study.name} ({len(ids)})" if ids[1:] else ids[0]
                    st.button(
                        md(name),
                        key=f"family-{i}",
                        help=md(f"{first.study.model}: {', '.join(ids)}"),
                        type="tertiary",
                        on_click=_choose,
                        args=(ids,),
                    )
    return [known[str(run_id)] for run_id in chosen if run_id in known]


def _choose(run_ids: list[str]) -> None:
    st.session_state["runs"] = run_ids


def _sequences(runs: list[Run], keys: Keys) -> None:
    found = sequences.report(keys)
    _headline(runs, found)
    scores = sequences.scores(keys)
    if scores.empty:
        st.info("No stage has finished yet. The first numbers appear when the first stage ends.")
        return
    kinds = [kind for kind in TEST_PROMPTS if kind in set(scores["test_prompts"])]
    methods = list(dict.fromkeys(scores["method"]))
    check_link("kind", kinds)
    check_link("method", methods)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Test prompts",
            kinds,
            default=None if "kind" in st.session_state else found["test_prompts"],
            required=True,
            key="kind",
            help=KIND_HELP,
            bind="query-params",
        )
        method = st.segmented_control(
            "Method",
            methods,
            default=None if "method" in st.session_state else methods[0],
            required=True,
            key="method",
            help="Whose strategies the curves and the matrices show.",
            bind="query-params",
        )
    kind, method = str(kind or found["test_prompts"]), str(method or methods[0])
    hollow = not all(run.is_complete for run in runs)
    _metrics(runs, keys, kind, hollow)
    _race_and_matrices(keys, found, kind, method)
    _tabs(runs, keys, found, kind)


def _headline(runs: list[Run], found: dict[str, Any]) -> None:
    st.subheader(QUESTION, anchor=False)
    header.no_provenance(runs)
    header.random_weights(runs)
    primary = found["primary"]
    if isinstance(primary, dict):
        with st.container(horizontal=True, vertical_alignment="center"):
            if verdict := primary["verdict"]:
                color, icon = VERDICT_ICONS[verdict]
                st.badge(verdict, icon=icon, color=color, width="content")
            st.markdown(f"##### {md(primary['sentence'])}")
    elif not found["no_verdict"]:
        st.markdown(f"##### {md(found['no_primary'])}")
    for row in found["state_adaptive"]:
        st.markdown(md(row["sentence"]))
    n_orders, n_seeds = len(found["orders"]), len(found["seeds"])
    over = "orders" if n_orders > 1 else "the seeds of one order"
    st.caption(
        f"{md(str(found['model']))} · {counted(len(found['tasks']), 'task')} ·"
        f" {counted(n_orders, 'order')} · {counted(n_seeds, 'seed')} · {sizes_in_words(found)} ·"
        f" intervals over {over}. Not other tasks, not other models."
    )
    if found["no_verdict"]:
        st.warning(md(str(found["no_verdict"])), icon=":material/hourglass_top:")
    header.abouts(runs)
    for warning in found["warnings"]:
        st.warning(md(warning), icon=":material/warning:")


def _metrics(runs: list[Run], keys: Keys, kind: str, hollow: bool) -> None:
    try:
        spec = strategy_intervals(sequences.summary(keys), test_prompts=kind, hollow=hollow)
    except InputError as error:
        st.info(md(str(error)))
        return
    charts.still(spec, "metrics")
    charts.export(spec, runs, "strategy_intervals", test_prompts=kind)


def _race_and_matrices(keys: Keys, found: dict[str, Any], kind: str, method: str) -> None:
    scores = sequences.scores(keys)
    strategies = [s for s in dict.fromkeys(scores["strategy"]) if s.split("+")[1] == method]
    orders = list(dict.fromkeys(scores["order"]))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.markdown("#### The race")
        try:
            spec = strategy_race(sequences.race(keys), test_prompts=kind, method=method)
            charts.still(spec, "race")
        except InputError as error:
            st.info(md(str(error)))
        st.caption(
            "Mean score on the tasks learned so far, on the examples that all stages share."
            + _fewer(sequences.race(keys), found, kind)
        )
    with right:
        st.markdown("#### What was known when")
        default = [s for s in (f"original+{method}", f"sapo+{method}") if s in strategies]
        key = f"matrices-{method}"
        check_link(key, strategies)
        check_link("matrix-order", [EVERY_ORDER, *orders])
        with st.container(horizontal=True):
            shown = st.multiselect(
                "Strategies",
                strategies,
                default=None if key in st.session_state else default or strategies[:2],
                key=key,
                help="A matrix each.",
                max_selections=4,
                bind="query-params",
            )
            order = st.selectbox(
                "Order",
                [EVERY_ORDER, *orders],
                key="matrix-order",
                help="One order names its tasks; over all of them tasks stand by position.",
                bind="query-params",
            )
        one = None if order in (None, EVERY_ORDER) else str(order)
        drawn = [str(s) for s in shown]
        first = f"sapo+{method}"
        cell, is_chosen = looked_at(scores, first if first in strategies else strategies[0], one)
        if drawn:
            framed = cell if is_chosen else None
            charts.matrix(
                stage_matrix(scores, drawn, test_prompts=kind, order=one, chosen=framed), "matrices"
            )
            st.caption(
                "Number: score. Colour: gain over the first row"
                f"{', the base model' if scores['stage'].min() == 0 else ''}; below the diagonal a"
                " column that fades is being forgotten. A click on a cell shows what stands behind"
                " it."
            )
        else:
            st.info("Choose a strategy to see its matrix.")
    behind(keys, cell, is_chosen, kind)


def _fewer(race: pd.DataFrame, found: dict[str, Any], kind: str) -> str:
    """Whose means here are over fewer chains than were planned: those that went furthest."""
    planned = len(found["orders"]) * len(found["seeds"])
    own = race[race["test_prompts"] == kind].drop_duplicates("strategy")
    fewer = own[own["n_chains"] < planned]
    if fewer.empty:
        return ""
    named = ", ".join(f"{s} {n}" for s, n in zip(fewer["strategy"], fewer["n_chains"], strict=True))
    return (
        f" Both pictures: over the chains that went furthest, of {planned} each: {named}."
        " Strategies may stand on other orders and seeds."
    )


def _tabs(runs: list[Run], keys: Keys, found: dict[str, Any], kind: str) -> None:
    shown = [*TABS, *([DIAGNOSTICS] if has_diagnostics(runs) else [])]
    check_link("tab", shown)
    along, against, tasks, cost, *looked_along = st.tabs(shown, key="tab", bind="query-params")
    with along:
        if along.open:
            chain_tab(keys)
    with against:
        if against.open:
            contrasts_tab(found, kind)
    with tasks:
        if tasks.open:
            tasks_tab(found, kind)
    with cost:
        if cost.open:
            cost_tab(found)
    for place in looked_along:
        if place.open:
            with place:
                diagnostics(keys, runs)


page()
