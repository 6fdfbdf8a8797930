"""Next study: how many tasks, prompts and seeds for a wanted interval or power."""

from __future__ import annotations

import streamlit as st

from sapo_analysis.analysis.next_study.planning import USUAL_HALF_WIDTH, USUAL_POWER
from sapo_analysis.app import statistics_estimates
from sapo_analysis.app.components import links
from sapo_analysis.app.components.tables import table
from sapo_analysis.app.components.text import md
from sapo_analysis.app.state import Studied

HALF_WIDTH, POWER = "half_width", "power"
_COLUMNS = {
    "n_tasks": "plan_tasks",
    "n_prompts": "plan_prompts",
    "n_seeds": "plan_seeds",
    "n_trials": "plan_trials",
    "r": "plan_r",
    "half_width": "plan_half_width",
    "power": "plan_power",
}


def planner(studied: Studied) -> None:
    """What is wanted, what it takes, on what that stands, and the way to launch it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        half_width = _wanted(
            "Interval for new tasks, ±",
            HALF_WIDTH,
            USUAL_HALF_WIDTH,
            "Half of the 95 % interval around r.",
        )
        power = _wanted(
            "Power",
            POWER,
            USUAL_POWER,
            "Probability that this interval lies wholly on one side of 0.",
        )
    if half_width is None and power is None:
        st.info("Say what is wanted of the next study: a width, a power, or both.")
        return
    found = statistics_estimates.study_plan(studied.keys, studied.asked, half_width, power)
    st.markdown(f"##### {md(found.sentence)}")
    st.caption(md(found.pilot.in_words))
    if found.found:
        table(
            found.designs.rename(columns=_COLUMNS),
            "Designs that would do, fewest trials first.",
            formats={"plan_r": "%+.2f", "plan_half_width": "%.2f", "plan_power": "%.2f"},
        )
        st.caption(
            "By prompts and seeds, each with as few tasks as do. The pilot's r is itself uncertain:"
            " a plan for a smaller one is safer."
        )
    first = studied.runs[0]
    query = {} if first.is_imported else {"from": first.run_id}
    links.link(
        "launch",
        "Launch the next study",
        ":material/rocket_launch:",
        "The launch form, filled in as this run: tasks, prompts and seeds can be changed there."
        if query
        else "The launch form.",
        **query,
    )


def _wanted(label: str, key: str, usual: float, help: str) -> float | None:
    """What is asked for; 0 asks for nothing, as an emptied field would be lost from the link."""
    wanted = st.number_input(
        label,
        min_value=0.0,
        max_value=0.99,
        value=usual,
        step=0.05,
        format="%.2f",
        key=key,
        help=f"{help} 0: any will do.",
        bind="query-params",
        width=220,
    )
    return wanted or None
