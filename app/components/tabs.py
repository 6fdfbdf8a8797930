"""The tabs below the evidence: findings, prompts, between tasks, and what could mislead."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates
from sapo_analysis.app.components import charts, links
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.compare import NAME as RACE_TAB
from sapo_analysis.app.components.compare import compare_tab
from sapo_analysis.app.components.controls import FORMS
from sapo_analysis.app.components.diagnostics import NAME as DIAGNOSTICS
from sapo_analysis.app.components.diagnostics import diagnostics, has_diagnostics
from sapo_analysis.app.components.findings import findings_tab
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.state import (
    EFFECT,
    EFFECT_FORM,
    STUDY,
    Pair,
    Sight,
    check_link,
    select_points,
    selected_points,
)
from sapo_analysis.errors import InputError
from sapo_analysis.figures import impact_heatmap, impact_pair

EVERY_TASK = "mean over current tasks"
NO_TASK = "none"


def findings(sight: Sight) -> None:
    """Every claim, then task by task."""
    findings_tab(sight.keys, sight.choice, sight.silent)


def prompts_tab(sight: Sight) -> None:
    """Every prompt with its text, indicator and outcome; selecting rows shows them above."""
    points, prompts, choice = sight.points, sight.prompts, sight.choice
    facts = prompts.rename(columns={"task": "current_task"}).drop(columns=["test_only"])
    table = points.merge(facts, on=["current_task", "prompt_id"], how="left")
    shown = table[
        [
            *("current_task", "prompt_id", "text", choice.x, choice.y),
            *("source", "n_tokens", "frequency", "n_seeds"),
        ]
    ]
    shown = shown.loc[:, ~shown.columns.duplicated()].sort_values(
        ["current_task", choice.x], ignore_index=True
    )
    if sight.shown is not None:
        keys = zip(shown["current_task"], shown["prompt_id"], strict=True)
        shown = shown[[key in sight.shown for key in keys]].reset_index(drop=True)
    if shown.empty:
        st.info("No prompt passes the filter under More.")
        return
    pairs = list(zip(shown["current_task"], shown["prompt_id"], strict=True))
    # A keyed table keeps its selected row numbers when its rows change; the hash makes it anew.
    stamp = hashlib.sha256(repr((pairs, choice.x, choice.y)).encode()).hexdigest()[:10]
    key = f"prompts-{stamp}"
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        key=key,
        height=420,
        on_select=lambda: _choose_rows(key, pairs),
        selection_mode="multi-row",
        alt="Prompts with pre-update loss and outcome.",
        column_config=columns(
            shown,
            pinned="current_task",
            formats={choice.x: "%.3f", choice.y: "%.3f"},
            widths={"text": "large"},
            helps={choice.y: f"Here in {table['unit'].iloc[0]}."},
        ),
    )
    st.caption("Select rows to see them in the evidence above.")


def _choose_rows(key: str, pairs: list[Pair]) -> None:
    state = st.session_state.get(key)
    rows = state["selection"]["rows"] if state else []
    if rows:
        select_points([pairs[row] for row in rows])


def between_tab(sight: Sight) -> None:
    """Whether a prompt that is good for one other task is good for the others."""
    every = [EVERY_TASK, *sight.tasks]
    check_link("between", every)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Current task",
            every,
            key="between",
            help="The task that was being learned; its prompts are what r is over.",
            bind="query-params",
            width=300,
        )
        current = None if chosen in (None, EVERY_TASK) else str(chosen)
        try:
            table = estimates.between_tasks(sight.keys, sight.choice.form, current)
            spec = impact_heatmap(table, form=sight.choice.form)
        except InputError as error:
            st.info(md(str(error)))
            return
        others = [NO_TASK, *sorted(table["task_i"].unique())]
        picked = [
            _other("Impact on", others, "on_i", "The horizontal axis of the scatter."),
            _other("against that on", others, "on_j", "The vertical axis of the scatter."),
        ]
    pair = (picked[0], picked[1])
    open_pair = NO_TASK not in pair and pair[0] != pair[1]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        framed = impact_heatmap(table, pair, form=sight.choice.form) if open_pair else spec
        charts.cells(framed, "between-tasks")
        st.caption(
            "r over prompts of the impact on one task and the impact on another. Hatched: prompts "
            "differ no more than seeds do, so r may be noise. Without noise trials nothing is"
            " hatched."
        )
    with right:
        if open_pair:
            _pair(sight, pair, current, table)
        else:
            st.info(
                "Click a cell, or choose two tasks, to see the prompts behind it.",
                icon=":material/ads_click:",
            )


def _other(label: str, options: list[str], key: str, help: str) -> str:
    check_link(key, options)
    chosen = st.selectbox(label, options, key=key, help=help, bind="query-params", width=220)
    return chosen if chosen in options else NO_TASK


def _pair(sight: Sight, pair: Pair, current: str | None, known: pd.DataFrame) -> None:
    """The scatter behind one cell; what is selected there is shown in the evidence."""
    form = sight.choice.form
    try:
        table = estimates.pair(sight.keys, form, *pair, current)
        spec = impact_pair(table, *pair, form, selected_points(), sight.hollow)
    except InputError as error:
        st.info(md(str(error)))
        return
    for row in known[(known["task_i"] == pair[0]) & (known["task_j"] == pair[1])].itertuples():
        st.markdown(
            f"**{md(pair[0])} and {md(pair[1])}**: r = {signed(row.r)} (95 % for these tasks:"
            f" {signed(row.lower)} to {signed(row.upper)})"
        )
    charts.scatter(spec, "pair")
    st.caption("A point per prompt. Select some to see them in the evidence above.")


def trust_tab(sight: Sight) -> None:
    """At most eight rows, each OK or a sentence."""
    choice = sight.choice
    found = estimates.trust(sight.keys, choice.outcome.name, choice.form, choice.asked)
    for check in found:
        icon, word = (":material/check:", "OK") if check.ok else (":material/warning:", "look")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(word, icon=icon, color="blue" if check.ok else "orange", width=90)
            st.markdown(f"**{check.name}.** {md(check.text)}")
    links.link(
        "statistics",
        "The statistics behind this",
        ":material/analytics:",
        "Levels, noise, other indicators, what else differs, and whether the rule pays.",
        **{
            STUDY: [run.run_id for run in sight.runs],
            EFFECT: choice.outcome.label,
            EFFECT_FORM: FORMS[choice.form],
        },
    )


def diagnostics_tab(sight: Sight) -> None:
    """What the study looked at along its fine-tunes."""
    diagnostics(sight.keys, sight.runs)


TABS: dict[str, Callable[[Sight], None]] = {
    "Prompts": prompts_tab,
    "Findings": findings,
    "Between tasks": between_tab,
    "Can I trust it?": trust_tab,
    DIAGNOSTICS: diagnostics_tab,
    RACE_TAB: compare_tab,
}
"""What each tab draws, in order; only the open one is drawn."""


def tabs(sight: Sight) -> None:
    """All tabs that these runs have something for."""
    known = {name: draw for name, draw in TABS.items() if name != DIAGNOSTICS}
    shown = TABS if has_diagnostics(sight.runs) else known
    check_link("tab", list(shown))
    places = st.tabs(list(shown), key="tab", bind="query-params")
    for place, draw in zip(places, shown.values(), strict=True):
        if place.open:
            with place:
                draw(sight)
