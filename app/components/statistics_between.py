"""Between tasks: what of the correlation of impacts prompts make, and what one trial's noise."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.between_tasks.structure import Structure
from sapo_analysis.analysis.read_out import structure_sentence
from sapo_analysis.analysis.wording import SCOPE_WORDS, counted, signed
from sapo_analysis.app import estimates, statistics_estimates
from sapo_analysis.app.components import links
from sapo_analysis.app.components.controls import FORMS
from sapo_analysis.app.components.tables import table
from sapo_analysis.app.components.text import MISSING, interval, md, plain
from sapo_analysis.app.state import Studied

PARTS = {"raw": "observed", "prompt": "made by prompts", "seed": "made by the seed"}


def between(studied: Studied) -> None:
    """The parts of r over pairs of other tasks, per current task, and by pair."""
    found = statistics_estimates.structure(studied.keys, studied.form)
    st.markdown(md(structure_sentence(found)))
    if found.tasks.empty:
        return
    _parts(found)
    st.caption(_null(found))
    if not studied.silent:
        for verdict in estimates.verdicts(studied.keys):
            if verdict.claim == "claim_2" and verdict.form == studied.form:
                scope = SCOPE_WORDS[verdict.scope].capitalize()
                st.caption(f"{scope}: {verdict.verdict}. {md(verdict.reason)}")
    st.markdown("**By the task that was learned**")
    _tasks(found)
    st.markdown("**By pair of other tasks**")
    _pairs(found)
    links.link(
        "explore",
        "The prompts behind a pair",
        ":material/scatter_plot:",
        "Explore draws r of every pair, and the points behind each.",
        run=[run.run_id for run in studied.runs],
        form=FORMS[studied.form],
        tab="Between tasks",
    )


def _parts(found: Structure) -> None:
    parts = [getattr(found, name) for name in PARTS]
    new, these = ([part[scope] for part in parts] for scope in ("new_tasks", "these_tasks"))
    shown = pd.DataFrame(
        {
            "part": list(PARTS.values()),
            "measured": [signed(e.value) for e in new],
            "these_interval": [interval(e.lower, e.upper) for e in these],
            "new_interval": [interval(e.lower, e.upper) for e in new],
            "p_shuffled": [MISSING if math.isnan(e.p) else f"{e.p:.2g}" for e in new],
            "n": [f"{e.n_tasks} × {e.n_prompts} × {e.n_seeds}" for e in new],
        }
    )
    table(
        shown,
        "Observed correlation of impacts and its two parts.",
        pinned="part",
        helps={
            "these_interval": "Here from each task's error, each prompt left out in turn.",
            "new_interval": "Here of plain means of r, so that the parts add up.",
        },
    )


def _null(found: Structure) -> str:
    said = "Observed = made by prompts + made by the seed; means over pairs, then over tasks."
    if not math.isnan(found.null_lower):
        said += (
            f" If prompts did nothing, their part would lie between {signed(found.null_lower)} and"
            f" {signed(found.null_upper)} in 95 % of {found.n_permutations:,} shuffles."
        )
    if not math.isnan(found.seed_alone):
        said += (
            f" The seed alone would make claim 2's r {signed(found.seed_alone)}, as the tasks of"
            " one trial share its noise."
        )
    for task, reason in sorted(found.excluded.items()):
        said += f" Left out: {md(task)} ({md(reason)})."
    return said


def _tasks(found: Structure) -> None:
    rows = found.tasks
    shown = pd.DataFrame(
        {
            "current_task": rows["current_task"],
            "pair_r": _with_error(rows, "raw"),
            "pair_prompt": _with_error(rows, "prompt"),
            "pair_seed": _with_error(rows, "seed"),
            "seed_alone": rows["seed_alone"].map(signed),
            "n_others": rows["n_others"],
        }
    )
    table(shown, "The parts of r in each current task.", pinned="current_task")
    st.caption("±: one standard error over prompts, each left out in turn.")


def _with_error(rows: pd.DataFrame, name: str) -> list[str]:
    """`+0.38 ± 0.07`."""
    return [
        MISSING if math.isnan(value) else f"{signed(value)} ± {plain(error)}"
        for value, error in zip(rows[name], rows[f"{name}_error"], strict=True)
    ]


def _pairs(found: Structure) -> None:
    names = {
        "task_i": "task_i",
        "task_j": "task_j",
        "r": "pair_r",
        "r_prompt": "pair_prompt",
        "r_seed": "pair_seed",
        "corrected": "pair_corrected",
        "n_current_tasks": "n_current_tasks",
    }
    shown = found.pairs[list(names)].rename(columns=names)
    by = "pair_prompt" if shown["pair_prompt"].notna().any() else "pair_r"
    shown = shown.sort_values(by, ascending=False, ignore_index=True, kind="stable")
    numbers = ("pair_r", "pair_prompt", "pair_seed", "pair_corrected")
    table(
        shown,
        "The parts of r of each pair of other tasks.",
        pinned="task_i",
        formats=dict.fromkeys(numbers, "%+.2f"),
        widths=dict.fromkeys(("task_i", "task_j"), 130),
    )
    st.caption(f"{counted(len(shown), 'pair')}; single pairs carry no interval: a place to look.")
