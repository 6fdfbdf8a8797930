"""Methods beside each other in numbers: the methods table, scores by task, paired differences."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import (
    BASE,
    OUTCOMES,
    OVER_TASKS,
    counts_in_words,
    same_in_words,
)
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import compared
from sapo_analysis.app.compared import Compared
from sapo_analysis.app.components import links
from sapo_analysis.app.components.chips import difference_chip
from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.controls import ALL_TASKS, segmented, select
from sapo_analysis.app.components.html_table import Head, html_table, strong, whole
from sapo_analysis.app.components.text import MISSING, interval, md, plain, span
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import not_offered
from sapo_analysis.store import Run

NOTHING_YET = "No fine-tune has ended yet. The first numbers appear when the first one does."
MEASURES = {"score": "Score", "to_base": "Δ to base"}
_ABOUT = {
    "score": "Score on this task (0 to 100), higher is better.",
    "to_base": "Score on this task − that of the base model (points), higher is better.",
}
_FORMATS = {"score": "%.1f", "to_base": "%+.1f"}
_NUMBERS = (
    *("tuned_score", "tuned_score_original", "normalized_average_others"),
    *("normalized_average_others_to_base", "normalized_average", "ap"),
)
_ROLES = {"forgetting_past": "past", "forgetting_retained": "retained"}


def scores_tab(keys: Keys, runs: list[Run], found: Compared) -> None:
    """Tuned score and normalized averages of every method, then each evaluated task."""
    table = compared.table(keys)
    if set(table["name"]) <= {BASE}:
        st.info(NOTHING_YET)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = _tuned_task(keys)
        n_shots = _shots(table)
        st.space("stretch")
        links.table_of(runs, "Export", "methods")
    own = table[(table["tuned_task"] == task) & (table["n_shots"] == n_shots)]
    if own.empty:
        st.info("Nothing was measured there.")
        return
    shown = [name for name in _NUMBERS if own[name].notna().any()]
    heads = [Head("Method"), *(Head(entry(n).label, entry(n).help) for n in shown)]
    rows = [[_name(row["name"], found), *_cells(row, shown)] for row in own.to_dict("records")]
    html_table(heads, rows, "Methods by tuned score and normalized averages")
    first = own[own["name"] != BASE].iloc[0]
    is_same = any(name in same for same in own["same"] for name in shown)
    same = f" {same_in_words(str(first['unit']))}" if is_same else ""
    st.caption(f"0 to 100, Δ in points, higher is better. {sizes_of(first)}{same}")
    _by_task(keys, found, task, n_shots)


def _name(name: str, found: Compared) -> str:
    return html.escape(name) if name == BASE else strong(found.sides.get(name, name))


def _cells(row: dict[str, Any], shown: list[str]) -> list[str]:
    cells = []
    for name in shown:
        value, lower, upper = (row[f"{name}{end}"] for end in ("", "_lower", "_upper"))
        if value != value:
            cells.append(MISSING)
            continue
        is_change = name.endswith("_to_base")
        said = signed(value, 1) if is_change else plain(value, 1)
        ends = interval(lower, upper, 1) if is_change else span(lower, upper, 1)
        cells.append(said + (f"<br>{whole(ends)}" if lower == lower else ""))
    return cells


def sizes_of(row: Any) -> str:
    """What stands behind a row's numbers, and what its intervals are over."""
    return f"n = {counts_in_words(row)}; small print: 95 %, Student t over {md(str(row['unit']))}."


def _tuned_task(keys: Keys) -> str:
    tasks = compared.tuned_tasks(keys)
    if len(tasks) < 2:
        not_offered("tuned")
        return OVER_TASKS
    chosen = select("Tuned task", [ALL_TASKS, *tasks], str, "tuned", "What was learned.")
    return OVER_TASKS if chosen == ALL_TASKS else chosen


def _shots(table: pd.DataFrame) -> int:
    shots = {str(n): f"{n}-shot" for n in sorted(set(table["n_shots"]))}
    if len(shots) < 2:
        not_offered("shots")
        return int(next(iter(shots)))
    return int(segmented("Demonstrations", shots, "shots", entry("n_shots").help))


def _by_task(keys: Keys, found: Compared, task: str, n_shots: int) -> None:
    table = compared.tasks(keys)
    own = table[(table["tuned_task"] == task) & (table["n_shots"] == n_shots)]
    if own.empty:
        return
    st.markdown("**By evaluated task**")
    measure = segmented("Shown", MEASURES, "by-task", entry("to_base").help)
    wide = own.pivot(index="name", columns="eval_task", values=measure)
    order = [name for name in (BASE, *found.sides) if name in wide.index]
    tasks = list(dict.fromkeys(own["eval_task"]))
    wide = wide.loc[order, tasks].rename(index=found.sides).rename_axis(columns=None)
    wide = wide.reset_index()
    if measure == "to_base":
        wide = wide[wide["name"] != BASE]
    st.dataframe(
        wide,
        hide_index=True,
        height="content" if len(wide) <= 16 else 560,
        placeholder=MISSING,
        alt="Scores by method and evaluated task.",
        column_config={
            **columns(["name"], pinned="name"),
            **{
                name: st.column_config.NumberColumn(
                    label=name,
                    help=_ABOUT[measure],
                    format="%+.1f" if measure == "to_base" else "%.1f",
                )
                for name in tasks
            },
        },
    )
    which = "when other tasks were tuned" if task == OVER_TASKS else f"when {md(task)} was tuned"
    st.caption(f"With each task's original prompt, {which}.")


def differences_tab(keys: Keys, runs: list[Run], found: Compared) -> None:
    """Every method minus one of them, on the same task, prompt and seed."""
    if len(found.sides) < 2:
        st.info(
            "One method alone: choose runs of the same study with other methods, such as lora and"
            " promot."
        )
        return
    names = list(found.sides)
    plain_lora = [name for name in ("lora", "original+lora") if name in names]
    first = [*plain_lora, *(name for name in names if name not in plain_lora)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reference = select(
            "Reference",
            first,
            found.sides.__getitem__,
            "against",
            "What the others are held to: method − reference.",
        )
        st.space("stretch")
        links.table_of(runs, "Export", "method_differences")
    table = compared.paired(keys, reference)
    if table.empty:
        st.info("No fine-tune of two methods has ended yet on the same task, prompt and seed.")
        return
    if unequal := compared.steps(keys):
        st.caption(md(unequal))
    if found.silent:
        st.caption(f"No verdict: {md(found.silent)}")
    _matrix(table[table["n_shots"] == 0], found, reference)
    behind = table[table["n_shots"] > 0]
    if len(behind):
        with st.expander("Behind demonstrations"):
            for n_shots, own in behind.groupby("n_shots"):
                st.markdown(f"**{n_shots}-shot**")
                _matrix(own, found, reference)


def _matrix(table: pd.DataFrame, found: Compared, reference: str) -> None:
    outcomes = [name for name in OUTCOMES if name in set(table["outcome"])]
    cells = {(row["name"], row["outcome"]): row for row in table.to_dict("records")}
    known = {name for name, _ in cells}
    methods = [name for name in found.sides if name in known]
    rows: list[list[str]]
    if len(methods) <= len(outcomes):  # what there is less of goes across
        heads = [Head("Outcome", width="30%"), *(Head(found.sides[name]) for name in methods)]
        rows = [
            [_outcome(o), *(_difference(cells.get((name, o))) for name in methods)]
            for o in outcomes
        ]
    else:
        heads = [Head("Method"), *(_head(o) for o in outcomes)]
        rows = [
            [strong(found.sides[name]), *(_difference(cells.get((name, o))) for o in outcomes)]
            for name in methods
        ]
    words = found.sides[reference]
    html_table(heads, rows, f"Differences to {words} by method and outcome")
    same = f" {same_in_words(str(table.iloc[0]['unit']))}" if table["same"].any() else ""
    st.caption(
        f"Method − {md(words)}. {sizes_of(table.iloc[0])}{same} Verdicts are by each outcome's own"
        " interval, not corrected for their number. Hover over one to read its sentence."
    )


def _head(outcome: str) -> Head:
    term = entry(OUTCOMES[outcome])
    role = f", {_ROLES[outcome]}" if outcome in _ROLES else ""
    arrow = {"high": " ↑", "low": " ↓"}.get(term.better, "")
    return Head(f"{term.label}{role}{arrow}", term.help)


def _outcome(outcome: str) -> str:
    head = _head(outcome)
    title = html.escape(head.help, quote=True)
    return f'<span style="cursor:help" title="{title}">{strong(head.label)}</span>'


def _difference(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] != row["value"]:
        return MISSING
    digits = 2 if row["outcome"] == "format_ratio" else 1
    said = f'<span style="white-space:nowrap">{signed(row["value"], digits)}</span>'
    if row["lower"] == row["lower"]:
        said += f"<br>{whole(interval(row['lower'], row['upper'], digits))}"
    if row["verdict"]:
        said += f"<br>{difference_chip(row['verdict'], row['verdict'], row['sentence'])}"
    return said
