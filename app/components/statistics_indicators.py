"""Indicators: which one predicts best, and what the best is worth where it was not chosen."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.indicators.board import Board
from sapo_analysis.analysis.read_out import winner_sentence
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.app import statistics_estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.narrow import narrow
from sapo_analysis.app.components.tables import noted, table
from sapo_analysis.app.components.text import MISSING, interval, md, with_interval
from sapo_analysis.app.state import Studied
from sapo_analysis.figures import indicator_forest
from sapo_analysis.figures.outcomes import indicator_name


def indicators(studied: Studied) -> None:
    """The winner on tasks left out, the forest, the board, and what each task's others chose."""
    found = statistics_estimates.board(studied.keys, studied.asked)
    st.markdown(md(winner_sentence(found)))
    charts.still(narrow(indicator_forest(found)), "indicators")
    _board(found)
    for name, reason in found.left_out.items():
        st.caption(f"Not tried: {md(indicator_name(name))} ({md(reason)}).")
    if found.winner.tasks:
        with st.expander("What the other tasks chose for each task", key="chosen"):
            _chosen(found)


def _board(found: Board) -> None:
    rows = found.table
    shown = pd.DataFrame(
        {
            "indicator": rows["indicator"].map(indicator_name),
            "r": rows["r"].map(signed),
            "new_interval": list(map(interval, rows["lower"], rows["upper"])),
            "p_adjusted": rows["p_adjusted"].map(_p),
            "over_named": _with_interval(rows, "difference"),
            "p_over_named": rows["difference_p_adjusted"].map(_p),
            "strength": _with_interval(rows, "strength"),
            "n": rows["n_tasks"].astype(str) + " × " + rows["n_prompts"].astype(str),
            "why_missing": rows["note"],
        }
    )
    table(
        noted(shown), "Leader board of indicators.", pinned="indicator", widths={"indicator": 210}
    )
    st.caption(
        f"{counted(len(rows), 'indicator')} tried, strongest first, so the first looks better than"
        " it is: p is corrected for that, and the last row of the picture judges the best where it"
        f" was not chosen. Named beforehand: {md(indicator_name(found.x))}."
    )


def _with_interval(rows: pd.DataFrame, name: str) -> list[str]:
    ends = rows[f"{name}_lower"], rows[f"{name}_upper"]
    return list(map(with_interval, rows[name], *ends))


def _chosen(found: Board) -> None:
    rows = found.winner.table
    shown = pd.DataFrame(
        {
            "current_task": rows["task"],
            "chosen_indicator": rows["indicator"].map(indicator_name),
            "held_out_r": rows["r"].map(signed),
            "named_r": rows["r_x"].map(signed),
        }
    )
    table(shown, "The indicator the other tasks chose, judged here.", pinned="current_task")


def _p(p: float) -> str:
    return MISSING if math.isnan(p) else f"{p:.2g}"
