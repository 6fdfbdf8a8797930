"""What the ProMoT paper prints, for other models, beside what the chosen runs came to."""

from __future__ import annotations

import html

import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.methods_compared import (
    BASE,
    MARK,
    OVER_TASKS,
    SOURCE,
    published,
    published_averages,
)
from sapo_analysis.analysis.methods_compared.published import PUBLISHED_METHODS
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app import compared
from sapo_analysis.app.compared import Compared
from sapo_analysis.app.components.controls import segmented
from sapo_analysis.app.components.html_table import Head, html_table, small, strong
from sapo_analysis.app.components.text import MISSING, md, plain
from sapo_analysis.app.data import Keys
from sapo_analysis.errors import InputError, RunError

_HEADS = {
    "pretrained": "pretrained",
    "fine-tuning": "fine-tuning",
    "promot": "ProMoT",
    "promot+1-shot": "ProMoT + 1-shot",
}
_SHOTS = {"1": "1-shot", "4": "4-shot"}


def published_tab(keys: Keys, found: Compared) -> None:
    """Tables 3 and 4 of the paper, then our own averages; nothing is pooled."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shots = segmented("Demonstrations", _SHOTS, "published-shots", entry("n_shots").help)
        st.badge(MARK, icon=":material/menu_book:", color="orange", help=f"{SOURCE}.")
    averages = published_averages(int(shots))
    for (number, model, tuned), own in _rows(int(shots)):
        st.markdown(f"**Table {number}: {md(model)}, tuned on {md(tuned)}**")
        methods = [name for name in PUBLISHED_METHODS if name in set(own["method"])]
        wide = own.pivot(index="eval_task", columns="method", values="score")
        rows = [
            [html.escape(str(task)), *(_number(wide.loc[task, name]) for name in methods)]
            for task in dict.fromkeys(own["eval_task"])
        ]
        mine = averages[(averages["table"] == number) & (averages["model"] == model)]
        mine = mine[mine["tuned_task"] == tuned].set_index("method")
        rows.append([strong("normalized average"), *(_average(mine, name) for name in methods)])
        html_table(
            [Head("Evaluated task", width="28%"), *(Head(_HEADS[name]) for name in methods)],
            rows,
            f"Table {number} of the ProMoT paper, {MARK}",
        )
    st.caption(
        f"{MARK.capitalize()} ({md(SOURCE)}): not measured here, and not to be compared in size"
        " with scores of other models and tasks. Normalized averages are recomputed from the rows."
    )
    if keys and found.sides:
        _measured(keys, found)


def _rows(shots: int) -> list[tuple[tuple[int, str, str], object]]:
    rows = published()
    own = rows[rows["n_shots"] == shots]
    return [(key, part) for key, part in own.groupby(["table", "model", "tuned_task"], sort=False)]


def _number(value: float) -> str:
    return MISSING if value != value else plain(value, 2)


def _average(mine: object, name: str) -> str:
    row = mine.loc[name]
    to_base = row["to_base"]
    change = "" if name == "pretrained" or to_base != to_base else f" {small(signed(to_base, 2))}"
    return strong(plain(row["normalized_average"], 2)) + change


def _measured(keys: Keys, found: Compared) -> None:
    """The same averages of the chosen runs."""
    try:
        table = compared.table(keys)
    except RunError:
        raise
    except InputError:
        return
    own = table[table["tuned_task"] == OVER_TASKS]
    if set(own["name"]) <= {BASE}:
        return
    st.markdown("**Measured here, in the chosen runs**")
    names = ["normalized_average_others", "normalized_average_others_to_base"]
    rows = [
        [
            strong(found.sides.get(row["name"], row["name"])),
            f"{row['n_shots']}-shot",
            _number(row[names[0]]),
            MISSING if row[names[1]] != row[names[1]] else signed(row[names[1]], 2),
        ]
        for row in own.to_dict("records")
    ]
    heads = [Head("Method", width="28%"), Head("Demonstrations", entry("n_shots").help)]
    heads += [Head(entry(name).label, entry(name).help) for name in names]
    html_table(heads, rows, "Normalized averages of the chosen runs")
