"""Cached calls into `sapo_analysis.analysis` for the Statistics page: one function per question.

As in `estimates`: every key begins with path and version of the runs, and nothing is computed here.
Of one outcome in one form, with pre-update loss on x and all evaluated tasks of its role.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.between_tasks.structure import Structure, cross_task_structure
from sapo_analysis.analysis.confounding.confounders import Confounder
from sapo_analysis.analysis.confounding.confounders import confounders as found_confounders
from sapo_analysis.analysis.confounding.influence import Ranges, leave_one_out
from sapo_analysis.analysis.confounding.influence import influence as found_influence
from sapo_analysis.analysis.estimate import Estimate, Form
from sapo_analysis.analysis.indicators.board import Board, indicator_board
from sapo_analysis.analysis.levels.slopes import task_slopes, theil_sen
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import StudyPlan, plan_study
from sapo_analysis.analysis.noise.claim_1_shares import claim_1_shares
from sapo_analysis.analysis.noise.components import variance_components
from sapo_analysis.analysis.noise.corrected import Corrected, corrected_correlation
from sapo_analysis.analysis.remembering import remembering
from sapo_analysis.analysis.sentences import ClaimSentence, claim_sentences
from sapo_analysis.analysis.worth.payoff import SelectionValue, original_prompts, selection_value
from sapo_analysis.app import estimates
from sapo_analysis.app.data import Keys, opened
from sapo_analysis.app.state import Asked


@dataclass(frozen=True)
class Slopes:
    """Theil-Sen slopes: over tasks in both scopes, and each task's."""

    new_tasks: Estimate
    these_tasks: Estimate
    tasks: list[Estimate]


@st.cache_data(max_entries=12, show_spinner="Reading the claims out …")
def sentences(keys: Keys) -> list[ClaimSentence]:
    """A sentence with warnings for each claim; without verdict words where there is none."""
    return claim_sentences(estimates.verdicts(keys), estimates.impacts(keys), opened(keys))


@st.cache_data(max_entries=32, show_spinner=False)
def slopes(keys: Keys, asked: Asked) -> Slopes:
    """How much the outcome changes with pre-update loss."""
    df, of = estimates.impacts(keys), (asked.x, asked.y, asked.role)
    with remembering():
        return Slopes(
            theil_sen(df, *of, scope="new_tasks"),
            theil_sen(df, *of, scope="these_tasks"),
            task_slopes(df, *of),
        )


@st.cache_data(max_entries=12, show_spinner="Taking variances apart …")
def components(keys: Keys) -> pd.DataFrame:
    """What of each quantity's variance is the prompt's."""
    return variance_components(estimates.impacts(keys))


@st.cache_data(max_entries=12, show_spinner=False)
def shares(keys: Keys) -> pd.DataFrame:
    """Claim 1 as shares of variance."""
    return claim_1_shares(estimates.impacts(keys))


@st.cache_data(max_entries=32, show_spinner=False)
def corrected(keys: Keys, asked_by_form: tuple[Asked, ...]) -> list[Corrected]:
    """The correlation without seed noise, of the outcome in each form."""
    df = estimates.impacts(keys)
    return [corrected_correlation(df, asked.x, asked.y, asked.role) for asked in asked_by_form]


@st.cache_data(max_entries=24, show_spinner="Comparing impacts at different seeds …")
def structure(keys: Keys, form: Form) -> Structure:
    """Claim 2 taken apart."""
    return cross_task_structure(estimates.impacts(keys), form)


@st.cache_data(max_entries=32, show_spinner="Trying every indicator …")
def board(keys: Keys, asked: Asked) -> Board:
    """The leader board of indicators."""
    return indicator_board(estimates.impacts(keys), asked.y, asked.role, asked.x)


@st.cache_data(max_entries=32, show_spinner="Holding fixed what else differs …")
def confounders(keys: Keys, asked: Asked) -> list[Confounder]:
    """Partial correlations."""
    df = estimates.impacts(keys)
    return found_confounders(df, asked.x, asked.y, asked.role, n_permutations=0)


@st.cache_data(max_entries=32, show_spinner=False)
def influence(keys: Keys, asked: Asked) -> pd.DataFrame:
    """How far each point moves r, strongest first."""
    return found_influence(estimates.impacts(keys), asked.x, asked.y, asked.role)


@st.cache_data(max_entries=32, show_spinner=False)
def ranges(keys: Keys, asked: Asked) -> Ranges:
    """What leaving out one prompt or one task makes of r."""
    return leave_one_out(estimates.impacts(keys), asked.x, asked.y, asked.role)


@st.cache_data(max_entries=32, show_spinner="Picking prompts …")
def payoff(keys: Keys, asked: Asked) -> SelectionValue:
    """What picking by lowest pre-update loss is worth."""
    original = original_prompts(opened(keys))
    return selection_value(estimates.impacts(keys), asked.y, asked.role, asked.x, original)


@st.cache_data(max_entries=32, show_spinner=False)
def pilot(keys: Keys, asked: Asked) -> Pilot:
    """What the runs say to the next study."""
    return Pilot.of(estimates.impacts(keys), asked.y, asked.role, asked.x)


@st.cache_data(max_entries=64, show_spinner="Trying designs …")
def study_plan(
    keys: Keys, asked: Asked, half_width: float | None, power: float | None
) -> StudyPlan:
    """Which designs would do what is wanted of new tasks."""
    return plan_study(pilot(keys, asked), half_width, power)
