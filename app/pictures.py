"""Cached figures: drawn once per choice, whatever is selected on them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sapo_analysis.app import estimates
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import Choice, Pair, Sight
from sapo_analysis.figures import FigureSpec, Race, impact_scatter, race_reach, with_race
from sapo_analysis.figures.scatter_layers import ringed
from sapo_analysis.figures.scatter_views import NOWHERE, Reach


def scatter(sight: Sight, selected: Sequence[Pair], race: Race | None = None) -> FigureSpec:
    """The scatter of the page, a race over it, and a ring around what is selected."""
    choice, only = sight.choice, sight.shown
    if race is None:
        return ringed(_scatter(sight.keys, choice, sight.hollow), selected)
    points, view = estimates.points(sight.keys, choice.asked), choice.view
    reach = race_reach(race, points, view=view, log=choice.x_scale == "log", only=only)
    spec = _scatter(sight.keys, choice, sight.hollow, reach)
    spec = with_race(spec, race, points, view=view, only=only, prompts=sight.prompts)
    return ringed(spec, selected)


@st.cache_resource(max_entries=24, show_spinner="Drawing …")
def _scatter(keys: Keys, choice: Choice, hollow: bool, reach: Reach = NOWHERE) -> FigureSpec:
    prompts = estimates.prompts(keys)
    found = estimates.correlations(keys, choice.asked, choice.statistic)
    return impact_scatter(
        estimates.points(keys, choice.asked),
        outcome=choice.outcome.name,
        form=choice.form,
        x=choice.x,
        view=choice.view,
        eval_task=choice.eval_task,
        prompts=prompts,
        noise=estimates.noise(keys, choice.asked),
        estimates=found.tasks,
        pooled=found.pooled,
        color_by=choice.color_by,
        highlight=choice.highlight,
        hollow=hollow,
        seeds=estimates.seeds(keys, choice.asked) if choice.by_seed else None,
        only=choice.lets_through(prompts),
        x_scale=choice.x_scale,
        reach=reach,
    )
