"""Noise: what of the variance is the prompt's, and r as it would be without the seed's part."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.estimate import FORMS
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.read_out import UNITS, shares_sentence
from sapo_analysis.analysis.wording import noise_floor, signed
from sapo_analysis.app import estimates, statistics_estimates
from sapo_analysis.app.components.tables import noted, sizes, table
from sapo_analysis.app.components.text import MISSING, interval, md, plain, span, with_interval
from sapo_analysis.app.state import Studied

_OTHERS = ("past", "retained", "unseen")


def noise(studied: Studied) -> None:
    """Claim 1 as shares, variance components, the noise floor, the corrected correlation."""
    st.markdown("**Claim 1, as shares of variance**")
    _shares(studied)
    st.markdown("**Prompt and seed, by quantity**")
    _components(studied)
    st.markdown("**The correlation without seed noise**")
    _corrected(studied)


def _shares(studied: Studied) -> None:
    found = statistics_estimates.shares(studied.keys)
    st.markdown(md(shares_sentence(found, studied.form)))
    shown = pd.DataFrame(
        {
            "form": found["form"],
            "share_in_task": found["share_in_task"].map(plain),
            "share_cross_task": found["share_cross_task"].map(plain),
            "share_difference": found["difference"].map(signed),
            "new_interval": list(map(interval, found["lower"], found["upper"])),
            "n": sizes(found),
            "why_missing": found["note"],
        }
    )
    table(noted(shown), "Shares of variance in-task and on other tasks.", pinned="form")
    st.caption(
        "1 is all of one trial's variance. A share has neither a unit nor the seed's noise in it;"
        " the verdict on claim 1 compares spreads, which have both."
    )


def _components(studied: Studied) -> None:
    found = statistics_estimates.components(studied.keys)
    asked = studied.asked
    mine = found[found["form"].eq(studied.form) | found["quantity"].eq("pre_update_loss")]
    over = mine[mine["current_task"].isna()]
    names = [
        entry(quantity).label + (f", {role}" if role in _OTHERS else "")
        for quantity, role in zip(over["quantity"], over["role"], strict=True)
    ]
    _components_table(over, "quantity", names, "Share of prompts in the variance, by quantity.")
    st.caption(
        "Means over tasks. Share: of one trial's variance, 95 % for new tasks. Reliability: of"
        " means over the seeds there are, 95 % for these tasks."
    )
    tasks = mine[
        mine["current_task"].notna() & mine["quantity"].eq(asked.y) & mine["role"].eq(asked.role)
    ]
    if len(tasks):
        st.markdown(f"**{md(studied.outcome.label)}, task by task**")
        own = list(map(str, tasks["current_task"]))
        _components_table(tasks, "current_task", own, "The same of each task, for this outcome.")
    st.caption(_floor(studied))


def _components_table(rows: pd.DataFrame, first: str, names: list[str], alt: str) -> None:
    shown = pd.DataFrame(
        {
            first: names,
            "sigma_prompt": rows["sigma_prompt"].to_numpy(),
            "sigma_seed": rows["sigma_seed"].to_numpy(),
            "quantity_unit": [UNITS.get(unit, unit) for unit in rows["unit"]],
            "prompt_share": _with_span(rows, "share"),
            "reliability": _with_span(rows, "reliability"),
            "n": sizes(rows),
            "why_missing": rows["note"].to_numpy(),
        }
    )
    formats = dict.fromkeys(("sigma_prompt", "sigma_seed"), "%.3g")
    table(noted(shown), alt, pinned=first, formats=formats)


def _with_span(rows: pd.DataFrame, name: str) -> list[str]:
    """`0.39 (0.14 to 0.65)`."""
    values = zip(rows[name], rows[f"{name}_lower"], rows[f"{name}_upper"], strict=True)
    return [
        MISSING if math.isnan(value) else f"{plain(value)} ({span(lower, upper)})"
        for value, lower, upper in values
    ]


def _floor(studied: Studied) -> str:
    band = estimates.noise(studied.keys, studied.asked)
    rounding = estimates.numerical_noise(studied.keys, studied.asked).in_words()
    said = "not measured, as there are no noise trials"
    if band.pooled is not None:
        one = band.pooled
        unit = UNITS.get(band.unit, band.unit)
        said = f"σ {noise_floor(one.sigma, one.sigma_upper, unit, one.label)}"
    return f"Noise floor of one trial, from noise trials: {md(said)}. Rounding: {md(rounding)}."


def _corrected(studied: Studied) -> None:
    asked = tuple(studied.asked_in(form) for form in FORMS)
    found = statistics_estimates.corrected(studied.keys, asked)
    seen = [estimates.correlations(studied.keys, own, "pearson").new_tasks for own in asked]
    shown = pd.DataFrame(
        {
            "form": FORMS,
            "raw_r": [with_interval(e.value, e.lower, e.upper) for e in seen],
            "corrected_r": [with_interval(one.value, one.lower, one.upper) for one in found],
            "mean_r": [signed(one.mean_r) for one in found],
            "from_seed": [signed(one.from_seed) for one in found],
            "reliability_x": [plain(one.reliability_x) for one in found],
            "reliability_y": [plain(one.reliability_y) for one in found],
            "n": [f"{one.n_tasks} × {one.n_prompts} × {one.n_seeds}" for one in found],
        }
    )
    table(shown, "r as seen, and r without seed noise.", pinned="form")
    st.caption(
        "Verdicts are of r as seen, which noise shrinks; 95 % for new tasks. The corrected one is"
        " averaged over tasks as r, not as Fisher's z: it corrects mean r."
    )
    for form, one in zip(FORMS, found, strict=True):
        if math.isnan(one.value) or math.isnan(one.lower):
            st.caption(f"In {form}: {md(one.method)}.")
