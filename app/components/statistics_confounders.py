"""What else differs: length and in-task results held fixed, equal learning, single points."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.confounding.confounders import Confounder
from sapo_analysis.analysis.confounding.influence import Left, Range, Ranges
from sapo_analysis.analysis.estimate import SCOPES
from sapo_analysis.analysis.wording import SCOPE_WORDS, signed
from sapo_analysis.app import statistics_estimates
from sapo_analysis.app.components import links
from sapo_analysis.app.components.controls import FORMS
from sapo_analysis.app.components.matched import matched_table
from sapo_analysis.app.components.tables import table
from sapo_analysis.app.components.text import MISSING, interval
from sapo_analysis.app.state import POINT, Studied
from sapo_analysis.figures.outcomes import indicator_name

MOST_INFLUENTIAL = 10
"""Points shown, the strongest first."""
DESCRIPTIVE = "descriptive"
_GIVEN = {
    "in_task_score": "final in-task score",
    "in_task_loss": "final in-task loss",
    "log_prompt_frequency": "familiarity",
}
"""Shorter here than on an axis."""


def confounders(studied: Studied) -> None:
    """Partial correlations, equal steps and equal loss, what leaving one out makes of r."""
    st.markdown("**What is left of r with something else held fixed?**")
    _partial(studied)
    if not matched_table(studied.keys, studied.outcome.name, studied.form):
        st.markdown("**What is left once all prompts have learned equally much?**")
        st.caption("Not known: the run kept no results along the way (checkpoints).")
    st.markdown("**Does one prompt or one task carry it?**")
    _ranges(statistics_estimates.ranges(studied.keys, studied.asked))
    _influence(studied)


def _partial(studied: Studied) -> None:
    found = statistics_estimates.confounders(studied.keys, studied.asked)
    if not found:
        st.caption("Nothing to hold fixed: neither length nor in-task results are known.")
        return
    pairs = list(zip(found[::2], found[1::2], strict=True))
    table(
        pd.DataFrame([_partial_row(new, these) for new, these in pairs]),
        "Partial correlations.",
        pinned="given",
    )
    st.caption(
        "Descriptive: what is held fixed is itself a result of training and may be how loss acts,"
        " so that the number corrects nothing."
    )


def _partial_row(new: Confounder, these: Confounder) -> dict[str, str]:
    e = new.estimate
    return {
        "given": " and ".join(_GIVEN.get(name) or indicator_name(name) for name in new.given),
        "descriptive": DESCRIPTIVE if new.descriptive else MISSING,
        "statistic": e.statistic.removeprefix("partial_").capitalize(),
        "partial_r": signed(e.value),
        "these_interval": interval(these.estimate.lower, these.estimate.upper),
        "new_interval": interval(e.lower, e.upper),
        "same_points_r": signed(new.raw.value),
        "n": f"{e.n_tasks} × {e.n_prompts}",
    }


def _ranges(found: Ranges) -> None:
    rows = [
        _range_row("any one prompt", found.one_prompt),
        _range_row("any one task", found.one_task),
    ]
    table(pd.DataFrame(rows), "r with one prompt or task left out.", pinned="left_out")
    st.caption(
        f"With everything in, r = {signed(found.value)} (95 % for new tasks:"
        f" {interval(*found.new_tasks)}; for these tasks: {interval(*found.these_tasks)})."
    )


def _range_row(what: str, found: Range) -> dict[str, str]:
    zero = [
        f"{found.brings_zero[scope].name} ({SCOPE_WORDS[scope]})"  # type: ignore[union-attr]
        for scope in SCOPES
        if found.brings_zero[scope]
    ]
    return {
        "left_out": what,
        "lowest_r": MISSING if found.lowest is None else signed(found.lowest.value),
        "lowest_without": _name(found.lowest),
        "highest_r": MISSING if found.highest is None else signed(found.highest.value),
        "highest_without": _name(found.highest),
        "turns_sign": "none" if found.turns_sign is None else found.turns_sign.name,
        "brings_zero": ", ".join(zero) or "none",
    }


def _name(left: Left | None) -> str:
    return MISSING if left is None else left.name


def _influence(studied: Studied) -> None:
    asked = studied.asked
    found = statistics_estimates.influence(studied.keys, asked).head(MOST_INFLUENTIAL)
    if found.empty:
        return
    st.markdown(f"**The {len(found)} points that move r most**")
    numbers = ("r_without", "shift", "task_r", "task_r_without")
    shown = found.assign(**{name: found[name].map(signed) for name in numbers})
    table(
        shown,
        "Points by how far leaving each out moves r.",
        pinned="prompt_id",
        formats={asked.x: "%.3f", asked.y: "%.3f"},
    )
    runs = [run.run_id for run in studied.runs]
    st.caption("Look at one in Explore:")
    with st.container(horizontal=True, gap="small"):
        for task, prompt in zip(found["current_task"], found["prompt_id"], strict=True):
            links.link(
                "explore",
                f"{prompt} of {task}",
                ":material/scatter_plot:",
                "Its wording, its losses, and what it made the model forget.",
                run=runs,
                outcome=studied.outcome.label,
                form=FORMS[studied.form],
                **{POINT: f"{task}|{prompt}"},
            )
