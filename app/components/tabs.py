"""The tabs below the evidence: prompts, between tasks, and what could mislead."""

from __future__ import annotations

import hashlib

import pandas as pd
import streamlit as st

from sapo_analysis.app import estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, md
from sapo_analysis.app.state import Choice, Pair, select_points
from sapo_analysis.errors import InputError
from sapo_analysis.figures import impact_heatmap

NAMES = ["Findings", "Prompts", "Between tasks", "Can I trust it?"]


def prompts_tab(points: pd.DataFrame, prompts: pd.DataFrame, choice: Choice) -> None:
    """Every prompt with its text, indicator and outcome; selecting rows shows them above."""
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


def between_tab(key: estimates.Key, choice: Choice, tasks: list[str]) -> None:
    """Whether a prompt that is good for one other task is good for the others."""
    every = "mean over current tasks"
    chosen = st.selectbox(
        "Current task",
        [every, *tasks],
        key="between",
        help="The task that was being learned; its prompts are what r is over.",
        bind="query-params",
        width=320,
    )
    current = None if chosen in (None, every) else str(chosen)
    try:
        spec = impact_heatmap(estimates.between_tasks(key, choice.form, current))
    except InputError as error:
        st.info(md(str(error)))
        return
    charts.still(spec, "between-tasks")
    st.caption(
        "r over prompts of the impact on one task and the impact on another. Hatched: prompts "
        "differ no more than seeds do, so r may be noise. Without noise trials nothing is hatched."
    )


def trust_tab(key: estimates.Key, choice: Choice) -> None:
    """At most eight rows, each OK or a sentence."""
    found = estimates.trust(key, choice.outcome.name, choice.form, choice.x, choice.eval_task)
    for check in found:
        icon, word = (":material/check:", "OK") if check.ok else (":material/warning:", "look")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(word, icon=icon, color="blue" if check.ok else "orange", width=90)
            st.markdown(f"**{check.name}.** {md(check.text)}")
