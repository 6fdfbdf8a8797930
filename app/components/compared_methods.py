"""The methods themselves: what each changes, when that is on, what it costs, what was found."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.wording import duration
from sapo_analysis.app import compared
from sapo_analysis.app.components.chips import OF_DIFFERENCES, difference_chip
from sapo_analysis.app.components.html_table import Head, html_table, small, strong
from sapo_analysis.app.components.text import MISSING
from sapo_analysis.app.data import Keys
from sapo_analysis.app.launching.methods import GROUPS, TRAINS
from sapo_analysis.methods import find_method

SHOWN = {
    "tuned_score": "tuned score",
    "forgetting_past": "forgetting",
    "forgetting_retained": "forgetting, retained",
    "generalization": "generalization",
    "format_ratio": "format ratio",
    "ap": "AP",
}
"""Outcomes that a study's verdicts are shown of, and how a chip calls them."""
NOT_STUDIED = "not studied here"
_HEADS = (
    Head("Method", "With the paper it is from; a plain baseline has none.", "15%"),
    Head("What is trained", "Below: how many values. r: rank, m: virtual tokens, d: width.", "28%"),
    Head("Changes", "The prompt (virtual tokens before a frozen model), parameters, or both."),
    Head("On", "When what was trained takes part in an answer.", "13%"),
    Head("Steps", "Optimizer steps of a fine-tune, of all phases, and its time, as measured."),
    Head(
        "Shipped studies said",
        "Difference to plain LoRA with original prompts, by its 95 % interval: better, worse,"
        " unclear, or too few to say. Not corrected for how many outcomes there are.",
        "27%",
    ),
)


def methods_tab(keys: Keys, shipped: Keys) -> None:
    """Every method, in groups.

    Args:
        keys: of the chosen runs, whose costs are shown where they have a method.
        shipped: of the finished runs that came with this software.
    """
    said = compared.said(shipped) if shipped else pd.DataFrame()
    mine = compared.costs(keys) if keys else pd.DataFrame()
    theirs = compared.costs(shipped) if shipped else pd.DataFrame()
    rows: list[Sequence[str] | str] = []
    for group, names in GROUPS.items():
        rows.append(group)
        rows += [_row(name, said, (mine, theirs)) for name in names]
    html_table(_HEADS, rows, "Methods: what each changes, when it is on, its cost and verdicts")
    st.caption(
        "Steps and seconds are of the chosen runs, else of shipped ones: seconds hang on the"
        " machine. Hover over a verdict to read the numbers behind it."
    )


def _row(name: str, said: pd.DataFrame, costs: tuple[pd.DataFrame, ...]) -> list[str]:
    facts = find_method(name).facts
    trained = html.escape(f"{TRAINS[name][:1].upper()}{TRAINS[name][1:]}.")
    return [
        f"{strong(METHOD_WORDS[name])}<br>{small(facts.reference or 'a baseline')}",
        f"{trained}<br>{small(facts.size)}",
        html.escape(facts.changes),
        small(facts.when_on),
        _steps(name, costs),
        _said(name, said),
    ]


def _steps(name: str, costs: tuple[pd.DataFrame, ...]) -> str:
    """Of the first table that has the method; a range where its runs differ."""
    for table in costs:
        own = table[table["method"] == name] if len(table) else table
        own = own[own["steps"].notna()] if len(own) else own
        if len(own):
            low, high = own["steps"].min(), own["steps"].max()
            steps = f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
            seconds = own["train_seconds"].dropna()
            took = f"<br>{small(duration(float(seconds.mean())))}" if len(seconds) else ""
            return steps + took
    return MISSING


def _said(name: str, said: pd.DataFrame) -> str:
    if name == "lora":
        return small("the reference of the others")
    own = said[(said["method"] == name) & said["outcome"].isin(list(SHOWN))] if len(said) else said
    if own.empty:
        return small(NOT_STUDIED)
    studies = [
        f"{small(str(model))}{''.join(_of_verdict(v, rows) for v, rows in _by_verdict(of_study))}"
        for (_, model), of_study in own.groupby(["study", "model"], sort=False)
    ]
    return "".join(f'<div style="padding-bottom:4px">{study}</div>' for study in studies)


def _by_verdict(own: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows of one study and method under each verdict that it has."""
    rows: list[dict[str, Any]] = own.to_dict("records")
    known = {v: [row for row in rows if row["verdict"] == v] for v in OF_DIFFERENCES}
    return [(verdict, mine) for verdict, mine in known.items() if mine]


def _of_verdict(verdict: str, rows: list[dict[str, Any]]) -> str:
    sentences = "\n".join(row["sentence"] for row in rows)
    named = ", ".join(SHOWN[row["outcome"]] for row in rows)
    return f"<div>{difference_chip(verdict, verdict, sentences)} {html.escape(named)}</div>"
