"""Does the rule pay? Picking by lowest pre-update loss against other ways of picking."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.quantities import LOSS_UNIT
from sapo_analysis.analysis.read_out import UNITS, payoff_sentence
from sapo_analysis.analysis.wording import signed
from sapo_analysis.analysis.worth.payoff import SelectionValue
from sapo_analysis.analysis.worth.picks import RULES
from sapo_analysis.app import statistics_estimates
from sapo_analysis.app.components import charts
from sapo_analysis.app.components.narrow import panels_of
from sapo_analysis.app.components.tables import noted, sizes, table
from sapo_analysis.app.components.text import interval, md, plain, span
from sapo_analysis.app.state import Studied
from sapo_analysis.figures import pool_curve, selection_bars

NAMES = {
    "lowest_loss": "lowest pre-update loss",
    "random": "random prompt",
    "original": "original prompt",
    "hindsight_best": "best in hindsight",
    "highest_loss": "highest pre-update loss",
}
OTHER_OUTCOME = (
    "What a pick is worth is told of forgetting and of generalization: choose one of them above."
    " The in-task result has its own correlation under Levels."
)


def payoff(studied: Studied) -> None:
    """The sentence, both pictures, the gains, how well the rule picks, and task by task."""
    if studied.outcome.role == "current":
        st.info(OTHER_OUTCOME)
        return
    found = statistics_estimates.payoff(studied.keys, studied.asked)
    st.markdown(f"##### {md(payoff_sentence(found))}")
    if found.by_task.empty:
        return
    _rules(found, studied.hollow)
    _gains(found)
    st.markdown("**By how many prompts there are to pick from**")
    charts.still(pool_curve(found), "pools")
    st.markdown("**How well does it pick?**")
    _measures(found)
    st.markdown("**Task by task**")
    _tasks(found)
    for task, reason in sorted(found.excluded.items()):
        st.caption(f"Left out: {md(task)} ({md(reason)}).")


def _rules(found: SelectionValue, hollow: bool) -> None:
    """Outcomes and gains: a picture each, on a phone one below the other."""
    pictures = panels_of(selection_bars(found, hollow=hollow))
    for i, (place, spec) in enumerate(zip(st.columns(2), pictures, strict=True)):
        with place:
            charts.still(spec, f"rules-{i}")
    st.caption("95 %: left for new tasks; right thick for new tasks, thin for these tasks.")


def _gains(found: SelectionValue) -> None:
    rows, digits, unit = found.contrasts, _digits(found), _unit(found)
    shown = pd.DataFrame(
        {
            "against": rows["against"].map(NAMES),
            "pick_gain": [signed(gain, digits) for gain in rows["gain"]],
            "these_interval": [
                interval(low, high, digits)
                for low, high in zip(rows["these_lower"], rows["these_upper"], strict=True)
            ],
            "new_interval": [
                interval(low, high, digits)
                for low, high in zip(rows["lower"], rows["upper"], strict=True)
            ],
            "tasks_better": rows["tasks_better"].astype(str) + " of " + rows["n_tasks"].astype(str),
            "n": sizes(rows),
            "why_missing": rows["note"],
        }
    )
    table(
        noted(shown),
        "What the lowest-loss pick gains over each other.",
        pinned="against",
        helps={
            "these_interval": "Here over seeds, Student t; needs two seeds.",
            "pick_gain": f"Here in {unit}.",
        },
    )
    st.caption(
        f"Gain in {md(unit)}, higher is better: what the lowest-loss pick is better by. Of trials"
        " that are there, none is trained anew; prompts that diverged are not in the pool."
    )


def _measures(found: SelectionValue) -> None:
    measures = {
        "hit rate": found.hit_rate,
        "rank of the pick": found.rank,
        "regret": found.regret,
    }
    shown = pd.DataFrame(
        {
            "measure": list(measures),
            "measured": [plain(own.value) for own in measures.values()],
            "new_interval": [span(own.lower, own.upper) for own in measures.values()],
            "at_random": [plain(own.at_random) for own in measures.values()],
            "measured_unit": [
                "0 to 1, high is good",
                "0 best, 1 worst",
                f"{_unit(found)}, low is good",
            ],
        }
    )
    table(shown, "Hit rate, rank and regret of the lowest-loss pick.", pinned="measure")
    said = (
        "Hit rate: how often the pick is the best in hindsight. Rank: share of the other prompts"
        " that did better. Regret: what is lost against the best in hindsight, which is chosen on"
        " the other seeds and valued on its own."
    )
    if math.isnan(found.hit_rate.value):
        said += " With one seed there is no hindsight: it would be valued by what it was chosen by."
    st.caption(said)


def _digits(found: SelectionValue) -> int:
    return 3 if found.unit == LOSS_UNIT else 2


def _unit(found: SelectionValue) -> str:
    return UNITS.get(found.unit, found.unit)


def _tasks(found: SelectionValue) -> None:
    rows, digits = found.by_task, _digits(found)
    shown = pd.DataFrame(
        {
            "current_task": rows[found.task],
            **{f"pick_{rule}": [plain(value, digits) for value in rows[rule]] for rule in RULES},
            "pick_gain": [signed(gain, digits) for gain in rows["gain"]],
            "pick_regret": [signed(lost, digits) for lost in rows["regret"]],
            "hit_rate": rows["hit_rate"].map(plain),
            "pick_rank": rows["rank"].map(plain),
        }
    )
    table(
        shown,
        "Outcome of each pick, task by task.",
        pinned="current_task",
        helps={"pick_gain": "Here over a random prompt."},
    )
    better = "lower" if found.good_when == "low" else "higher"
    st.caption(
        f"Outcomes in {md(_unit(found))}, {better} is better; means over the seeds that all prompts"
        " share. Single tasks carry no interval."
    )
