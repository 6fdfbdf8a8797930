"""The tabs of the Statistics page: each opens with the question it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from sapo_analysis.app.components.statistics_between import between
from sapo_analysis.app.components.statistics_confounders import confounders
from sapo_analysis.app.components.statistics_indicators import indicators
from sapo_analysis.app.components.statistics_levels import levels
from sapo_analysis.app.components.statistics_noise import noise
from sapo_analysis.app.components.statistics_payoff import payoff
from sapo_analysis.app.components.statistics_planner import planner
from sapo_analysis.app.components.text import md
from sapo_analysis.app.state import PART, Studied, check_link
from sapo_analysis.errors import InputError, RunError


@dataclass(frozen=True)
class Tab:
    """What one tab asks, and what draws its answer."""

    question: str
    draw: Callable[[Studied], None]


TABS = {
    "Levels": Tab(
        "How tightly does the outcome follow pre-update loss over the prompts of a task, and how"
        " much does it change with it?",
        levels,
    ),
    "Noise": Tab(
        "How much of what differs between trials is the prompt's, and how much would another seed"
        " change?",
        noise,
    ),
    "Between tasks": Tab(
        "Is a prompt that is good for one other task good for the others, or do they only share"
        " the noise of one trial?",
        between,
    ),
    "Indicators": Tab(
        "Which number known before the update predicts best, once it is counted how many were"
        " tried?",
        indicators,
    ),
    "What else differs": Tab(
        "What is left when length, in-task results or equal learning are taken into account, and"
        " does one point carry it?",
        confounders,
    ),
    "Does the rule pay?": Tab(
        "What would picking the prompt with the lowest pre-update loss have been worth?", payoff
    ),
    "Next study": Tab(
        "How many tasks, prompts and seeds would it take to know more?",
        planner,
    ),
}
"""In order; only the open one is drawn."""


def tabs(studied: Studied) -> None:
    """All tabs."""
    check_link(PART, list(TABS))
    places = st.tabs(list(TABS), key=PART, bind="query-params")
    for place, tab in zip(places, TABS.values(), strict=True):
        if place.open:
            with place:
                st.caption(tab.question)
                try:
                    tab.draw(studied)
                except RunError:
                    raise
                except InputError as error:  # what this tab needs is not in these runs
                    st.info(md(str(error)))
