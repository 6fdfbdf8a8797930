"""Runs that may not be pooled, beside each other: what differs, and each one's answer."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from sapo_analysis import analysis
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import estimates, pictures
from sapo_analysis.app.components import charts, header
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING, interval, md
from sapo_analysis.app.data import Keys, loaded
from sapo_analysis.app.state import Choice, Sight
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run

ACROSS = 2
"""Runs in a row."""


def differing(refusal: str, table: pd.DataFrame) -> None:
    """Why the runs are not pooled."""
    st.warning(
        "These runs are not pooled, as they are not equal. They stand beside each other instead.",
        icon=":material/call_split:",
    )
    if table.empty:  # imported results have no settings to compare
        st.caption(md(refusal))
        return
    with st.expander(f"What differs ({len(table)})", key="differing", expanded=len(table) <= 8):
        st.dataframe(
            table,
            hide_index=True,
            height="content" if len(table) <= 12 else 440,
            placeholder=MISSING,
            alt="Settings in which the runs differ.",
            column_config={
                **columns(["key"], pinned="key"),
                **{
                    name: st.column_config.TextColumn(help="Its value.")
                    for name in table.columns[1:]
                },
            },
        )


def beside(keys: Keys, choice: Choice) -> None:
    """The answer of every run to the same question: a table, then a scatter each."""
    runs = [loaded(*key) for key in keys]
    rows, sights = [], []
    for run, key in zip(runs, keys, strict=True):
        try:
            sight = _sight(run, key, choice)
        except InputError as error:
            rows.append({"run": run.run_id, "remark": str(error)})
            continue
        found = estimates.correlations((key,), choice.asked, choice.statistic)
        sights.append((run, sight, found))
        rows.append(
            {
                "run": run.run_id,
                "r": signed(found.new_tasks.value),
                "these_interval": interval(found.these_tasks.lower, found.these_tasks.upper),
                "new_interval": interval(found.new_tasks.lower, found.new_tasks.upper),
                "n": f"{found.new_tasks.n_tasks} × {found.new_tasks.n_prompts}",
                "remark": analysis.no_verdict([run]) or None,
            }
        )
    names = ["run", "r", "these_interval", "new_interval", "n", "remark"]
    table = pd.DataFrame(rows, columns=names)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        placeholder=MISSING,
        alt="Correlation within tasks of each run.",
        column_config=columns(table, pinned="run", widths={"remark": "large"}),
    )
    if sights:
        st.caption(
            "★ SAPO's pick (lowest loss) · ◇ original prompt · △ best in hindsight · grey: noise"
            " band and slope, 95 %"
        )
    for i in range(0, len(sights), ACROSS):
        for place, (run, sight, found) in zip(
            st.columns(ACROSS), sights[i : i + ACROSS], strict=False
        ):
            with place, st.container(border=True):
                st.markdown(f"**{md(run.run_id)}**")
                st.caption(f"{header.made_with(run)} {md(analysis.sentence(found.these_tasks))}")
                spec = replace(pictures.scatter(sight, ()), legend=False)
                charts.still(spec, f"beside-{run.run_id}")
                st.button(
                    "Open alone",
                    key=f"alone-{run.run_id}",
                    help="Only this run, with evidence and all tables.",
                    type="tertiary",
                    icon=":material/open_in_full:",
                    on_click=_open,
                    args=(run.run_id,),
                )


def _sight(run: Run, key: tuple[str, str], choice: Choice) -> Sight:
    keys = (key,)
    points = estimates.points(keys, choice.asked)
    if points.empty:
        raise InputError("No seed and evaluated task that all prompts share yet.")
    prompts = estimates.prompts(keys)
    facts = estimates.facts(keys)
    silent = analysis.no_verdict([run])
    shown = choice.lets_through(prompts)
    return Sight(keys, (run,), choice, points, prompts, shown, facts.tasks, silent)


def _open(run_id: str) -> None:
    st.session_state["run"] = [run_id]
