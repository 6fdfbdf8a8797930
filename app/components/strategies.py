"""Strategies in tables: contrasts, single tasks, what choosing cost."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.sequences import LEAST, METRICS, SHORT
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING
from sapo_analysis.app.state import check_link

Report = dict[str, Any]


def contrasts_tab(found: Report, kind: str) -> None:
    """Differences between strategies under one kind of test prompt."""
    table = pd.DataFrame(found["contrasts"])
    if table.empty:
        st.info("No two strategies share an order and a seed that are complete yet.")
        return
    own = table[table["test_prompts"] == kind]
    check_link("contrast-metric", [SHORT[name] for name in own["metric"]])
    metric = st.segmented_control(
        "Metric",
        list(dict.fromkeys(own["metric"])),
        format_func=lambda name: SHORT[name],
        default=None if "contrast-metric" in st.session_state else "ap",
        required=True,
        key="contrast-metric",
        help="; ".join(f"{SHORT[name]}: {METRICS[name]}" for name in dict.fromkeys(own["metric"])),
        bind="query-params",
    )
    shown = own[own["metric"] == (metric or "ap")].rename(columns={"value": "difference"})
    shown = shown[
        [
            *("strategy", "reference", "difference", "lower", "upper", "p", "p_holm"),
            *("is_primary", "n_orders", "n_seeds"),
        ]
    ]
    signed = dict.fromkeys(("difference", "lower", "upper"), "%+.2f")
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        alt="Differences between strategies.",
        column_config=columns(
            shown, formats={**signed, "p": "%.4f", "p_holm": "%.4f"}, checks=["is_primary"]
        ),
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
    of_chains = {
        name: name.replace("loss_change", "chain_loss_change")
        for name in table.columns
        if name.startswith("loss_change")
    }
    shown = table[table["test_prompts"] == kind].drop(columns="test_prompts")
    shown = shown.rename(columns=of_chains)
    numbers = [name for name in shown if name not in ("strategy", "eval_task", "unit")]
    st.dataframe(
        shown,
        hide_index=True,
        placeholder=MISSING,
        alt="Tasks by strategy.",
        column_config=columns(shown, formats={name: _digits(str(name)) for name in numbers}),
    )


def _digits(name: str) -> str:
    if name.endswith("_n"):
        return "%d"
    return "%.3f" if name.startswith("chain_loss_change") else "%.1f"


def cost_tab(found: Report) -> None:
    """What choosing cost beside training."""
    if not found["cost"]:
        st.info("No chain has learned all its tasks yet.")
        return
    names = ["strategy", "mean_regret", "largest_regret", "n_stages"]
    regret = pd.DataFrame(found["regret"], columns=["strategy", "mean", "largest", "n_stages"])
    table = pd.DataFrame(found["cost"]).merge(regret.set_axis(names, axis=1), how="left")
    st.dataframe(
        table,
        hide_index=True,
        placeholder=MISSING,
        alt="Cost of choosing by strategy.",
        column_config=columns(
            table,
            formats={
                **dict.fromkeys(("choice_seconds", "train_seconds"), "%.1f"),
                **dict.fromkeys(("choice_examples", "train_examples"), "%.0f"),
                **dict.fromkeys(("share", "share_of_texts"), "percent"),
                **dict.fromkeys(("mean_regret", "largest_regret"), "%.3f"),
            },
        ),
    )
    st.caption(
        "Means over sequences; what chains shared is counted for each. Fine-tunes of a stack share"
        " its time evenly, so the share by time hangs on how many there were. Regret is known at"
        " few stages of policies that do not look at losses."
    )
