"""What a study looked at along its fine-tunes: value over steps, one line per group of trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import OVER_TASKS, counts_in_words, has_looks
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import compared
from sapo_analysis.app.components import links
from sapo_analysis.app.components.chips import difference_chip
from sapo_analysis.app.components.controls import segmented, select
from sapo_analysis.app.components.html_table import Head, html_table, strong, whole
from sapo_analysis.app.components.looked_at import NOTHING_YET, drawn, heading
from sapo_analysis.app.components.soft_prompts import soft_prompts
from sapo_analysis.app.components.tables import table
from sapo_analysis.app.components.text import MISSING, interval, md, plain, span
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import check_link
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import format_specialization, gradient_alignment
from sapo_analysis.store import Run

NAME = "Diagnostics"
MEAN, BY_TASK = "mean", "task"
LINES = {MEAN: "Mean over tasks", BY_TASK: "Task by task"}
MOST_LINES = 6
"""Shown at first: more would cover each other."""
NOT_MEASURED = "Not measured. A study with `diagnostics.every` above 0 looks along its fine-tunes."
NO_SHOTS = (
    "Tests behind demonstrations were not asked for: `evaluation.n_shots: [0, 1]` in a spec does."
)
RISE = (
    "Supported where the 95 % interval of the rise lies above 0, contradicted where it lies below."
)


def has_diagnostics(runs: Sequence[Run]) -> bool:
    """Whether the tab has something to show, or will have once trials have ended."""
    return any(not run.is_imported for run in runs) and (has_looks(runs) or has_shots(runs))


def has_shots(runs: Sequence[Run]) -> bool:
    """Whether any of these runs tested behind demonstrations."""
    return any(
        not run.is_imported and any(run.made_here("be shown").evaluation.n_shots) for run in runs
    )


def diagnostics(keys: Keys, runs: Sequence[Run], with_shots: bool = True) -> None:
    """Format specialization, gradient alignment, soft prompts, scores behind demonstrations.

    Args:
        keys: of the runs.
        runs: that can be compared by method.
        with_shots: whether the last are shown; where they stand on another tab they need not be.
    """
    if not all(run.is_complete for run in runs):
        st.caption("Of the fine-tunes that have ended. Numbers will move; no verdict until done.")
    if has_looks(runs):
        _curves(keys, runs)
    else:
        heading("format_specialization", "Format specialization and gradient alignment")
        st.info(NOT_MEASURED)
    if with_shots:
        _few_shot(keys, runs)
        links.methods_compared(runs, "Compare with other methods")


def _curves(keys: Keys, runs: Sequence[Run]) -> None:
    sides = compared.compared(keys).sides
    with st.container(horizontal=True, vertical_alignment="bottom"):
        lines = segmented("Lines", LINES, "lines", "A line per method, or of one per tuned task.")
        of, shown = "", list(sides)
        if len(sides) > 1 and lines == BY_TASK:
            of = select("Method", list(sides), sides.__getitem__, "line-of", "Whose tasks.")
        elif lines == BY_TASK:
            of = next(iter(sides))
        elif len(sides) > MOST_LINES:
            shown = _few(sides)
    names = [] if of else shown
    drawn(
        ("format_specialization", "Format specialization", "format"),
        lambda: format_specialization(_only(compared.format_curves(keys, of), names)),
        runs,
        "Left: what is learned. Right: how many answers to *other* tasks come in the tuned task's"
        " format. Dashed grey: the floor, which their right answers come to by themselves. Dotted"
        " vertical line: ProMoT's first stage ends, and the model behind its soft prompt begins to"
        " be tuned.",
    )
    if not of:
        _rise(keys, {name: sides[name] for name in shown})
    drawn(
        ("gradient_alignment", "Gradient alignment", "alignment"),
        lambda: gradient_alignment(_only(compared.alignment_curves(keys, of), names)),
        runs,
        "A module of the last layer each. Near 1 a training step changes the format; down at the"
        " dashed grey floor it changes the answers.",
    )
    soft_prompts(keys, runs, of, {name: sides[name] for name in names or [of]})


def _rise(keys: Keys, sides: dict[str, str]) -> None:
    """How far the format ratio rose, and whether that can be told from none."""
    try:
        found = compared.rises(keys)
    except RunError:
        raise
    except InputError:  # nothing has ended yet, as is said in the figure's place
        return
    rows = [
        [
            strong(sides[row["name"]]),
            f"{plain(row['before'])} → {plain(row['after'])}",
            f"{signed(row['value'])} {whole(_interval(row))}",
            difference_chip(row["verdict"], row["verdict"], RISE) if row["verdict"] else MISSING,
        ]
        for row in found.to_dict("records")
        if row["name"] in sides
    ]
    if rows:
        heads = [
            Head("Method"),
            Head("Format ratio, first → last look", entry("format_ratio").help),
            Head("Rise, 95 %", "Mean over prompts, seeds, then tuned tasks (or orders)."),
            Head("Does tuning spread its format?", RISE),
        ]
        html_table(heads, rows, "Rise of the format ratio by method")


def _interval(row: dict[str, Any]) -> str:
    return f"({interval(row['lower'], row['upper'])})" if row["lower"] == row["lower"] else ""


def _few(sides: dict[str, str]) -> list[str]:
    """Of many strategies those that are chosen."""
    words = list(sides.values())
    check_link("lines-of", words)
    chosen = st.multiselect(
        "Shown",
        list(sides),
        default=None if "lines-of" in st.session_state else list(sides)[:MOST_LINES],
        format_func=sides.__getitem__,
        key="lines-of",
        help="A line each.",
        bind="query-params",
    )
    return [name for name in chosen if name in sides]


def _only(curves: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return curves[curves["name"].isin(names)] if names else curves


def _few_shot(keys: Keys, runs: Sequence[Run]) -> None:
    heading("few_shot", "Scores behind demonstrations")
    if not has_shots(runs):
        st.caption(NO_SHOTS)
        return
    found = compared.table(keys)
    found = found[found["tuned_task"] == OVER_TASKS]
    if found.empty:
        st.info(NOTHING_YET)
        return
    words = compared.compared(keys).sides
    numbers = ("tuned_score_original", "normalized_average_others")
    changes = ("normalized_average_others_to_base",)
    rows = []
    for row in found.sort_values(["n_shots", "name"], kind="stable").to_dict("records"):
        shown = {"name": words.get(row["name"], row["name"]), "n_shots": row["n_shots"]}
        for name in numbers:
            shown[name] = _with_ends(row, name)
        rows.append({**shown, **{name: row[name] for name in changes}})
    table(
        pd.DataFrame(rows),
        "Scores by method and number of demonstrations.",
        pinned="name",
        formats={"n_shots": "%d", **dict.fromkeys(changes, "%+.1f")},
    )
    sizes = found[found["n_tasks"] > 0].iloc[0]
    st.caption(
        f"At the end of the fine-tunes, with original prompts: {counts_in_words(sizes)}. In"
        f" brackets 95 %, Student t over {md(str(sizes['unit']))}."
    )


def _with_ends(row: dict[str, object], name: str) -> str:
    value, lower, upper = (float(str(row[f"{name}{end}"])) for end in ("", "_lower", "_upper"))
    if value != value:
        return MISSING
    ends = f" ({span(lower, upper, 1)})" if lower == lower else ""
    return plain(value, 1) + ends
