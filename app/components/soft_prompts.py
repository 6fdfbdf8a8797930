"""Soft prompts as point clouds along a fine-tune: curves, diagrams, and what they go with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import (
    chosen_pairs,
    fine_tunes_of,
    trains_soft_prompts,
)
from sapo_analysis.analysis.wording import counted, signed
from sapo_analysis.app import compared
from sapo_analysis.app.components.controls import select
from sapo_analysis.app.components.html_table import Head, html_table, small, strong, whole
from sapo_analysis.app.components.looked_at import chart, drawn, head
from sapo_analysis.app.components.text import MISSING, interval, md, plain
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import not_offered
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import persistence_diagram, topology
from sapo_analysis.store import Run

STEP, TASK, TUNE = "cloud-step", "cloud-task", "cloud-tune"
BOTH_ENDS, POOLED = "start and end", "all, pooled"
BEFORE_IT_WAS_MEASURED = (
    "Soft prompts were not looked at as point clouds when these runs were made: run the study again"
    " for their topology."
)
_SERIES = ("h0_persistence", "h1_persistence", "compactness")
_GOES_WITH = (
    "Pearson r over the training prompts of a tuned task, then over tasks. Both are measured after"
    " the fine-tune: no forecast, no cause, and not corrected for how many are looked at."
)


def soft_prompts(keys: Keys, runs: Sequence[Run], of: str, sides: Mapping[str, str]) -> None:
    """All that is known of the point clouds; nothing where no fine-tune trains a soft prompt.

    Args:
        keys: of the runs.
        runs: that can be compared by method.
        of: the one side whose tasks have a line each; "": a line per side.
        sides: words by name of those that are shown.
    """
    if not compared.has_topology(keys):
        for key in (STEP, TASK, TUNE):
            not_offered(key)
        if trains_soft_prompts(runs) and all(run.is_complete for run in runs):
            st.caption(BEFORE_IT_WAS_MEASURED)
        return
    drawn(
        ("topology", "Topology of the soft prompt", "topology"),
        lambda: topology(_only(compared.topology_curves(keys, of), [] if of else sides)),
        runs,
        "The virtual tokens as points. *H0*: the length of the shortest tree that joins all of"
        " them, so how far apart they are. *H1*: how long rings of tokens last before they are"
        " filled. *Compactness*: 1 where all tokens are the same.",
    )
    if not of:
        _changes(keys, sides)
    _diagrams(keys, runs, sides)
    _goes_with(keys, sides)


def _only(table: pd.DataFrame, names: Sequence[str] | Mapping[str, str]) -> pd.DataFrame:
    return table[table["name"].isin(list(names))] if names else table


def _changes(keys: Keys, sides: Mapping[str, str]) -> None:
    """How far each number went, and how surely."""
    found = compared.topology_changes(keys)
    rows = []
    for name, words in sides.items():
        own = found[found["name"] == name].set_index("series")
        if len(own):
            rows.append([strong(words), *(_change(own.loc[series]) for series in _SERIES)])
    if rows:
        heads = [Head(entry(series).label, f"{entry(series).help} {_CHANGE}") for series in _SERIES]
        html_table([Head("Method"), *heads], rows, "Change of the soft prompt's topology by method")


def _change(row: Any) -> str:
    way = f"{plain(row['before'])} → {plain(row['after'])}"
    return f"{way}<br>{whole(_with_ends(row))}"


def _diagrams(keys: Keys, runs: Sequence[Run], sides: Mapping[str, str]) -> None:
    try:
        pairs = _only(compared.pairs(keys), sides)
    except RunError:
        raise
    except InputError as error:  # soft prompts of a single virtual token
        st.caption(md(str(error)))
        return
    if len(pairs):
        _diagram(pairs, runs)


def _diagram(pairs: pd.DataFrame, runs: Sequence[Run]) -> None:
    """The diagram of one fine-tune, or of all of a task, at both ends or at one look."""
    top = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tasks = list(dict.fromkeys(map(str, pairs["tuned_task"])))
        task = _one_of("Tuned task", tasks, str, TASK, "Whose fine-tunes.")
        tunes = fine_tunes_of(pairs, task)
        tunes = [tunes[0], "", *tunes[1:]] if len(tunes) > 1 else tunes
        tune = _one_of("Fine-tune", tunes, lambda name: name or POOLED, TUNE, _TUNE)
        steps = ["", *map(str, sorted(pairs.loc[pairs["tuned_task"] == task, "step"].unique()))]
        step = _one_of("Step", steps, lambda n: f"step {n}" if n else BOTH_ENDS, STEP, _STEP)
    with top:
        one = task if len(tasks) > 1 else None
        head("persistence_diagram", "Persistence diagram", runs, task=one)
    chart(
        "diagram",
        lambda: persistence_diagram(chosen_pairs(pairs, int(step) if step else None, task, tune)),
        runs,
        "H0: the tokens begin apart, at birth 0, and each point is where two groups of them join."
        " H1: a ring of tokens, born when it closes and dead when it is filled; the further above"
        " the grey diagonal, the longer it lasts.",
    )


def _one_of(
    label: str, options: Sequence[str], words: Callable[[str], str], key: str, about: str
) -> str:
    """A choice, where there is one."""
    if len(options) < 2:
        not_offered(key)
        return options[0]
    return select(label, options, words, key, about)


def _goes_with(keys: Keys, sides: Mapping[str, str]) -> None:
    """Correlations at the end of the fine-tunes; nothing where prompts are too few."""
    found = compared.topology_associations(keys)
    found = found[found["name"].isin(list(sides))]
    if found.empty:
        return
    st.markdown("**What it goes with at the end**", help=_GOES_WITH, width="content")
    rows: list[list[str] | str] = []
    for name, own in found.groupby("name", sort=False):
        if len(sides) > 1:
            rows.append(sides[str(name)])
        for (outcome, role), of in own.groupby(["outcome", "role"], sort=False):
            cells = of.set_index("series")
            known = [series for series in _SERIES if series in cells.index]
            said = {series: whole(_with_ends(cells.loc[series])) for series in known}
            first = of.iloc[0]
            size = f"{counted(first['n_tasks'], 'task')} × {counted(first['n_prompts'], 'prompt')}"
            rows.append(
                [
                    f"{strong(entry(str(outcome)).label)} {small(_ON[str(role)])}",
                    *(said.get(series, MISSING) for series in _SERIES),
                    small(size),
                ]
            )
    heads = [Head(f"r with {entry(series).label}", entry(series).help) for series in _SERIES]
    label = "Correlation of the soft prompt's topology with what came of the fine-tune"
    html_table([Head("At the end", _GOES_WITH), *heads, Head("n")], rows, label)
    scope = " and ".join(str(one).replace("_", " ") for one in found["scope"].unique())
    st.caption(f"{_GOES_WITH} In brackets 95 % for {scope}.")


def _with_ends(row: Any) -> str:
    ends = f" ({interval(row['lower'], row['upper'])})" if row["lower"] == row["lower"] else ""
    return f"{signed(row['value'])}{ends}"


_ON = {"current": "", "past": "past tasks", "retained": "retained tasks", "unseen": "unseen tasks"}
_CHANGE = "First → last look; below the change with its 95 % interval, Student t over tuned tasks."
_TUNE = "Its training prompt (or order of tasks) and seed; or all of the task in one diagram."
_STEP = "Optimizer steps of all phases: the first and the last look, or any one."
