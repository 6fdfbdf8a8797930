"""Cached calls into `sapo_analysis.analysis`: one function per question the page asks.

Every key begins with the run's path and version (`data.version`), so a run that grows is read anew
and a finished one is computed once. Nothing is computed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.cautions import UnequalLearning
from sapo_analysis.analysis.cautions import unequal_learning as found_unequal
from sapo_analysis.analysis.estimate import Estimate, Scope, Verdict
from sapo_analysis.analysis.matched import MatchedComparison, matched_by_scope
from sapo_analysis.analysis.noise import NoiseBand
from sapo_analysis.analysis.numerical_noise import NumericalNoise
from sapo_analysis.analysis.trust import Check
from sapo_analysis.analysis.trust import trust as trust_checks
from sapo_analysis.analysis.wording import noise_floor, signed
from sapo_analysis.app.data import loaded
from sapo_analysis.figures import OUTCOMES

Key = tuple[str, str]
"""(path, version) of a run."""


@dataclass(frozen=True)
class Correlations:
    """One outcome: r per task, over tasks in both scopes, and over all points."""

    tasks: list[Estimate]
    new_tasks: Estimate
    these_tasks: Estimate
    pooled: Estimate


@st.cache_data(max_entries=12, show_spinner="Comparing before and after …")
def impacts(key: Key) -> pd.DataFrame:
    """The run's impacts table."""
    return analysis.impacts(loaded(*key))


@st.cache_data(max_entries=12, show_spinner="Judging the claims …")
def verdicts(key: Key) -> list[Verdict]:
    """Verdicts on all claims, in both forms and both scopes."""
    return analysis.claims(impacts(key), n_permutations=0)


@st.cache_data(max_entries=12, show_spinner=False)
def claims_table(key: Key) -> pd.DataFrame:
    """Every claim in both forms with both verdicts."""
    return analysis.claims_table(verdicts(key))


@st.cache_data(max_entries=12, show_spinner=False)
def noise_floors(key: Key) -> dict[tuple[str, str], str]:
    """What the seed alone does, by claim and form, where it was measured.

    σ of one trial and its upper limit; for claim 1 what its ratio of spreads would be.
    """
    df, found = impacts(key), {}
    if (df["role"] == "current").any():
        for form, value in analysis.claim_1_from_the_seed_alone(df).items():
            if not math.isnan(value):
                found["claim_1", form] = f"{signed(value)} from the seed alone"
    for o in OUTCOMES.values():
        for form in ("score", "loss"):
            if o.claim is None or not o.predicted or o.role not in set(df["role"]):
                continue
            band = noise(key, o.column(form), o.role, None)
            if band.pooled is not None:
                pooled = band.pooled
                found[o.claim, form] = noise_floor(
                    pooled.sigma, pooled.sigma_upper, band.unit, pooled.label
                )
    return found


@st.cache_data(max_entries=32, show_spinner="Comparing tasks …")
def tasks_table(key: Key, outcome: str, form: str) -> pd.DataFrame:
    """Each current task: r of one outcome, and what to hold it to."""
    o = OUTCOMES[outcome]
    return analysis.tasks_table(impacts(key), o.column(form), o.role, o.predicted)


def distinguishing(key: Key, outcome: str, form: str) -> pd.DataFrame:
    """What goes with how well the claim about one outcome holds on a task."""
    table = tasks_table(key, outcome, form)
    return analysis.distinguishing(table, OUTCOMES[outcome].predicted)


@st.cache_data(max_entries=32, show_spinner="Comparing indicators …")
def rivals(key: Key, outcome: str, form: str) -> pd.DataFrame:
    """Every indicator with one outcome, and pre-update loss given familiarity."""
    o = OUTCOMES[outcome]
    return analysis.rivals(impacts(key), o.column(form), o.role)


@st.cache_data(max_entries=32, show_spinner="Comparing prompts that learned equally much …")
def matched(key: Key, outcome: str, form: str) -> dict[Scope, MatchedComparison]:
    """One outcome at equal steps and at equal dev loss, by scope; nothing without checkpoints."""
    run, o = loaded(*key), OUTCOMES[outcome]
    if not run.study.evaluation.checkpoints:
        return {}
    return matched_by_scope(run, o.column(form), o.role, n_permutations=0)


@st.cache_data(max_entries=12, show_spinner=False)
def past_gains(key: Key) -> pd.DataFrame:
    """Each past task's score before and after it was learned."""
    return analysis.past_gains(loaded(*key))


@st.cache_data(max_entries=64, show_spinner=False)
def points(key: Key, y: str, role: str, x: str, eval_task: str | None) -> pd.DataFrame:
    """The points of a scatter, with pre-update loss even when another indicator is on x."""
    table = analysis.prompts_table(impacts(key), y, role, x, eval_task)
    if x == "pre_update_loss":
        return table
    losses = analysis.prompts_table(impacts(key), y, role, "pre_update_loss", eval_task)
    names = ["current_task", "prompt_id"]
    return table.merge(losses[[*names, "pre_update_loss"]], on=names, how="left")


@st.cache_data(max_entries=64, show_spinner="Correlating …")
def correlations(
    key: Key, y: str, role: str, x: str, eval_task: str | None, statistic: str
) -> Correlations:
    """The correlation of one outcome at every level."""
    df = impacts(key)
    chosen: dict[str, Any] = {
        "x": x,
        "y": y,
        "role": role,
        "eval_task": eval_task,
        "statistic": statistic,
    }
    return Correlations(
        analysis.task_correlations(df, **chosen, n_permutations=0),
        analysis.within_task_correlation(df, **chosen, scope="new_tasks"),
        analysis.within_task_correlation(df, **chosen, scope="these_tasks"),
        analysis.pooled_correlation(df, **chosen, n_permutations=0),
    )


@st.cache_data(max_entries=64, show_spinner=False)
def noise(key: Key, y: str, role: str, eval_task: str | None) -> NoiseBand:
    """The noise band of one outcome."""
    return analysis.noise_band(impacts(key), y, role, eval_task)


@st.cache_data(max_entries=64, show_spinner=False)
def numerical_noise(key: Key, y: str, role: str, eval_task: str | None) -> NumericalNoise:
    """What rounding alone does to one outcome."""
    differences = analysis.repeat_differences(loaded(*key))
    return analysis.numerical_noise(impacts(key), differences, y, role, eval_task)


@st.cache_data(max_entries=16, show_spinner="Comparing tasks …")
def between_tasks(key: Key, form: str, current_task: str | None) -> pd.DataFrame:
    """Correlation of impacts for every pair of other tasks."""
    return analysis.impact_correlation(impacts(key), current_task, form)  # type: ignore[arg-type]


@st.cache_data(max_entries=32, show_spinner="Checking …")
def trust(key: Key, outcome: str, form: str, x: str, eval_task: str | None) -> list[Check]:
    """What to look at before believing the headline."""
    o = OUTCOMES[outcome]
    return trust_checks(loaded(*key), impacts(key), o.score, o.loss, o.role, form, x, eval_task)


@st.cache_data(max_entries=32, show_spinner=False)
def unequal_learning(key: Key, role: str) -> UnequalLearning:
    """On which tasks prompts that forgot less of one role also learned less."""
    df = impacts(key)
    return found_unequal(df[df["purpose"] == "main"], role)


@st.cache_data(max_entries=128, show_spinner=False)
def changes(key: Key, current_task: str, prompt_id: str) -> pd.DataFrame:
    """After minus before on every evaluated task for one prompt."""
    return analysis.task_changes(impacts(key), current_task, prompt_id)


@st.cache_data(max_entries=128, show_spinner="Looking for forgotten examples …")
def forgotten(key: Key, current_task: str, prompt_id: str) -> pd.DataFrame:
    """The kept test examples that one prompt hurt most."""
    return analysis.worst_forgotten(loaded(*key), current_task, prompt_id)
