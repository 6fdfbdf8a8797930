"""Levels: within tasks by three measures, task by task, and pooled last."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.claims import MIN_TASKS
from sapo_analysis.analysis.estimate import Estimate
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.app import estimates, statistics_estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.tables import table
from sapo_analysis.app.components.text import MISSING, interval, md, with_interval
from sapo_analysis.app.state import Studied
from sapo_analysis.app.statistics_estimates import Slopes
from sapo_analysis.figures import task_forest

DIGITS = {"score": 2, "loss": 3}
"""Of a slope, by form: a loss changes by less than a score."""


def levels(studied: Studied) -> None:
    """Pearson, Spearman and the Theil-Sen slope within tasks, then each task, then all points."""
    pearson, spearman = (
        estimates.correlations(studied.keys, studied.asked, name)
        for name in ("pearson", "spearman")
    )
    slopes = statistics_estimates.slopes(studied.keys, studied.asked)
    if not pearson.tasks:
        st.info(md(analysis.sentence(pearson.new_tasks)))
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown("**Within tasks, mean over tasks**")
        _within(pearson, spearman, slopes, DIGITS[studied.form])
        st.caption(_about(studied, pearson.new_tasks, slopes.new_tasks))
        st.caption(
            f"Secondary: {md(analysis.sentence(pearson.pooled))} It mixes differences between tasks"
            " with differences between prompts, and may have the other sign."
        )
    with right:
        few = pearson.new_tasks.n_tasks < MIN_TASKS
        means = [pearson.these_tasks] if few else [pearson.new_tasks, pearson.these_tasks]
        spec = task_forest(
            pearson.tasks, means, predicted=studied.outcome.predicted, hollow=studied.hollow
        )
        charts.still(spec, "forest")
    st.markdown("**Task by task**")
    _tasks(pearson.tasks, spearman.tasks, slopes.tasks, DIGITS[studied.form])


def _within(
    pearson: estimates.Correlations, spearman: estimates.Correlations, slopes: Slopes, digits: int
) -> None:
    found = [
        ("Pearson's r", pearson.new_tasks, pearson.these_tasks, 2),
        ("Spearman's ρ", spearman.new_tasks, spearman.these_tasks, 2),
        ("Theil–Sen slope", slopes.new_tasks, slopes.these_tasks, digits),
    ]
    shown = pd.DataFrame(
        {
            "measure": [name for name, *_ in found],
            "measured": [signed(new.value, n) for _, new, _, n in found],
            "these_interval": [interval(e.lower, e.upper, n) for _, _, e, n in found],
            "new_interval": [interval(e.lower, e.upper, n) for _, e, _, n in found],
        }
    )
    table(
        shown,
        "Correlation and slope within tasks, with both intervals.",
        pinned="measure",
        helps={"these_interval": "Of the slope: from Sen's interval of each task."},
    )


def _about(studied: Studied, r: Estimate, slope: Estimate) -> str:
    """How many there are, the slope's unit, and what is left out."""
    better = "lower" if studied.outcome.lower_is_better(studied.form) else "higher"
    said = (
        f"n = {counted(r.n_tasks, 'task')} × {r.n_prompts} prompts, each the mean over"
        f" {counted(r.n_seeds, 'seed')}. Slope in {md(slope.unit)} of loss; {better} outcomes are"
        " better."
    )
    _, _, reason = r.method.partition("Left out: ")
    return said + (f" Left out: {md(reason)}." if reason else "")


def _tasks(
    pearson: list[Estimate], spearman: list[Estimate], slopes: list[Estimate], digits: int
) -> None:
    ranked, steep = ({e.task: e for e in own} for own in (spearman, slopes))
    rows = [
        {
            "current_task": e.task,
            "r_interval": _of_task(e),
            "spearman_interval": _of_task(ranked.get(e.task)),
            "slope_interval": _of_task(steep.get(e.task), digits),
            "n_prompts": e.n_prompts,
        }
        for e in pearson
    ]
    table(pd.DataFrame(rows), "Each task's correlation and slope.", pinned="current_task")


def _of_task(e: Estimate | None, digits: int = 2) -> str:
    if e is None or math.isnan(e.value):
        return MISSING
    return with_interval(e.value, e.lower, e.upper, digits)
