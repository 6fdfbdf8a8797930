"""Strategies in tables: contrasts, single tasks, what choosing cost."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.sequences import LEAST, SHORT, TASK_METRICS
from sapo_analysis.app.components.text import MISSING

Report = dict[str, Any]


def _task_columns(definitions: dict[str, str]) -> dict[str, Any]:
    columns = {}
    for name in TASK_METRICS:
        word = name.replace("_", " ")
        digits = "%.3f" if name == "loss_change" else "%.1f"
        number = st.column_config.NumberColumn
        columns[name] = number(word, format=digits, help=definitions[name])
        columns[f"{name}_lower"] = number(f"{word}, from", format=digits, help="95 %")
        columns[f"{name}_upper"] = number(f"{word}, to", format=digits, help="95 %")
        columns[f"{name}_n"] = number(f"{word}, n", help="Orders, or seeds of the one order.")
    return columns


def contrasts_tab(found: Report, kind: str) -> None:
    """Differences between strategies under one kind of test prompt."""
    table = pd.DataFrame(found["contrasts"])
    if table.empty:
        st.info("No two strategies share an order and a seed that are complete yet.")
        return
    own = table[table["test_prompts"] == kind]
    metric = st.segmented_control(
        "Metric",
        list(dict.fromkeys(own["metric"])),
        format_func=lambda name: SHORT[name],
        default=None if "contrast-metric" in st.session_state else "ap",
        required=True,
        key="contrast-metric",
        help="; ".join(
            f"{SHORT[name]}: {found['definitions'][name]}" for name in dict.fromkeys(own["metric"])
        ),
    )
    shown = own[own["metric"] == (metric or "ap")]
    st.dataframe(
        shown[
            [
                *("strategy", "reference", "value", "lower", "upper", "p", "p_holm"),
                *("is_primary", "n_orders", "n_seeds"),
            ]
        ],
        hide_index=True,
        placeholder=MISSING,
        alt="Differences between strategies.",
        column_config={
            "value": st.column_config.NumberColumn(
                "strategy − reference", format="%+.2f", help=found["definitions"]["difference"]
            ),
            "lower": st.column_config.NumberColumn("from", format="%+.2f", help="95 %"),
            "upper": st.column_config.NumberColumn("to", format="%+.2f", help="95 %"),
            "p": st.column_config.NumberColumn("p", format="%.4f", help=found["definitions"]["p"]),
            "p_holm": st.column_config.NumberColumn(
                "p, Holm", format="%.4f", help=found["definitions"]["p_holm"]
            ),
            "is_primary": st.column_config.CheckboxColumn("primary"),
            "n_orders": "orders",
            "n_seeds": "seeds",
        },
    )
    st.caption(
        "AP, BWT and FWT with original test prompts are tested, by p, Holm, from"
        f" {LEAST} orders on; everything else is described, and p is uncorrected."
    )


def tasks_tab(found: Report, kind: str) -> None:
    """Every task under every strategy."""
    table = pd.DataFrame(found["tasks_of_strategies"])
    if table.empty:
        st.info("No chain has learned all its tasks yet.")
        return
    st.dataframe(
        table[table["test_prompts"] == kind].drop(columns="test_prompts"),
        hide_index=True,
        placeholder=MISSING,
        alt="Tasks by strategy.",
        column_config={
            "eval_task": "task",
            **_task_columns(found["definitions"]),
        },
    )


def cost_tab(found: Report) -> None:
    """What choosing cost beside training."""
    if not found["cost"]:
        st.info("No chain has learned all its tasks yet.")
        return
    regret = pd.DataFrame(found["regret"], columns=["strategy", "mean", "largest", "n_stages"])
    table = pd.DataFrame(found["cost"]).merge(regret, on="strategy", how="left")
    st.dataframe(
        table,
        hide_index=True,
        placeholder=MISSING,
        alt="Cost of choosing by strategy.",
        column_config={
            "choice_seconds": st.column_config.NumberColumn("choosing (s)", format="%.1f"),
            "choice_examples": st.column_config.NumberColumn("texts read", format="%.0f"),
            "train_seconds": st.column_config.NumberColumn("training (s)", format="%.1f"),
            "train_examples": st.column_config.NumberColumn("texts trained", format="%.0f"),
            "share": st.column_config.NumberColumn(
                "share", format="percent", help=found["definitions"]["share"]
            ),
            "share_of_texts": st.column_config.NumberColumn(
                "share of texts", format="percent", help=found["definitions"]["share_of_texts"]
            ),
            "mean": st.column_config.NumberColumn(
                "mean regret", format="%.3f", help=found["definitions"]["regret"]
            ),
            "largest": st.column_config.NumberColumn("largest", format="%.3f"),
            "n_stages": st.column_config.NumberColumn("stages known"),
        },
    )
    st.caption(
        "Means over sequences; what chains shared is counted for each. Fine-tunes of a stack share"
        " its time evenly, so the share by time hangs on how many there were. Regret is known at"
        " few stages of policies that do not look at losses."
    )
