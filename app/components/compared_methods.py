"""The methods themselves: what each changes, when that is on, what it costs, what was found."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.method_names import METHOD_WORDS
from sapo_analysis.analysis.wording import counted, duration
from sapo_analysis.app import compared
from sapo_analysis.app.components.chips import OF_DIFFERENCES, difference_chip, label_chip
from sapo_analysis.app.components.controls import segmented, select
from sapo_analysis.app.components.html_table import Head, html_table, small, strong
from sapo_analysis.app.components.text import MISSING
from sapo_analysis.app.data import Keys
from sapo_analysis.app.launching.methods import GROUPS, TRAINS
from sapo_analysis.methods import MethodFacts, find_method
from sapo_analysis.paper.citations import bibtex, link_of

SHOWN = {
    "tuned_score": "tuned score",
    "forgetting_past": "forgetting",
    "forgetting_retained": "forgetting, retained",
    "generalization": "generalization",
    "format_ratio": "format ratio",
    "ap": "AP",
}
"""Outcomes that a study's verdicts are shown of, and how a chip calls them."""
REFERENCE = "lora"
NOT_STUDIED = "not studied here"
NOT_BESIDE = "no verdict beside plain LoRA"
ALL_FAMILIES = "all families"
ANYTHING = "any"
CHANGES = {
    ANYTHING: "Anything",
    "prompt": "Prompt",
    "parameters": "Parameters",
    "both": "Both",
}
FAMILY, CHANGING = "family", "changes"
"""Query parameters of the filters, which both tables of methods share."""
LONGEST_MARK = 24
"""Of a mark beside a name (characters); what is longer stands as a sentence."""
_LEAST = "46rem"
_NOTABLE = 1.05
"""Reading so much more than plain LoRA is told (ratio of tokens)."""
_HEADS = (
    Head("Method", "With the paper it is from; a plain baseline has none.", "15%"),
    Head(
        "What is trained",
        "Below: how many values, counted by a run where one says it; else as a formula. r: rank,"
        " m: virtual tokens, d: width.",
        "26%",
    ),
    Head("Changes", "The prompt (virtual tokens before a frozen model), parameters, or both."),
    Head("On", "When what was trained takes part in an answer.", "12%"),
    Head(
        "Cost",
        "Optimizer steps of a fine-tune, of all phases; its time, and what it reads where that is"
        " more, relative to plain LoRA in the same study.",
        "13%",
    ),
    Head(
        "Shipped studies said",
        "Difference to plain LoRA with original prompts, by its 95 % interval: better, worse,"
        " unclear, or too few to say. Not corrected for how many outcomes there are.",
        "26%",
    ),
)


def methods_tab(keys: Keys, shipped: Keys) -> None:
    """Every method, family by family; families that no run has are folded.

    Args:
        keys: of the chosen runs, whose costs are shown where they have a method.
        shipped: of the finished runs that came with this software.
    """
    family, changing = method_filters()
    every = all_keys(keys, shipped)
    said = compared.said(shipped) if shipped else pd.DataFrame()
    costs = compared.costs(every) if every else pd.DataFrame()
    known = set(costs["method"]) if len(costs) else set()
    chosen = {Path(path).name for path, _ in keys}
    shown = {
        name: [m for m in own if changing in (ANYTHING, find_method(m).facts.changes)]
        for name, own in GROUPS.items()
        if family in (ALL_FAMILIES, name)
    }
    n = sum(map(len, shown.values()))
    has_run = sum(m in known for own in shown.values() for m in own)
    st.caption(f"{counted(n, 'method')}, {has_run} of them in the runs that are here.")
    for name, own in shown.items():
        if not own:
            continue
        rows = [_row(method, said, costs, chosen) for method in own]
        label = f"{name}: what each changes, when it is on, its cost and verdicts"
        if known.intersection(own) or family == name:
            st.markdown(f"**{name}**")
            html_table(_HEADS, rows, label, least=_LEAST)
        else:
            with st.expander(f"{name}: {counted(len(own), 'method')}, none in a run here"):
                html_table(_HEADS, rows, label, least=_LEAST)
    if not n:
        st.info("No method of this family changes that alone. Choose another filter.")
        return
    st.caption(
        "Costs are of the chosen runs, else of shipped ones; a range where studies differ. Seconds"
        " hang on the machine, and say little where runs stood beside other work. Hover over a"
        " verdict to read the numbers behind it, over a mark beside a name to read what it means."
    )


def method_filters() -> tuple[str, str]:
    """The chosen family of methods, and what they are to change."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        families = [ALL_FAMILIES, *GROUPS]
        family = select("Family", families, str, FAMILY, "What methods are compared for.")
        changing = segmented("Changes", CHANGES, CHANGING, entry("changes").help)
    return family, changing


def all_keys(keys: Keys, shipped: Keys) -> Keys:
    """The shipped runs and the chosen ones, these in the version that is shown."""
    return tuple((dict(shipped) | dict(keys)).items())


def _row(method: str, said: pd.DataFrame, costs: pd.DataFrame, chosen: set[str]) -> list[str]:
    facts = find_method(method).facts
    trained = html.escape(f"{TRAINS[method][:1].upper()}{TRAINS[method][1:]}.")
    own = _own(method, costs, chosen)
    chip, print_ = _caveat(facts.caveat)
    return [
        f"{strong(METHOD_WORDS[method])} {chip}<br>{_reference(facts)}",
        f"{trained}<br>{small(_size(facts, own))}{print_}",
        html.escape(facts.changes),
        small(facts.when_on),
        _cost(method, own),
        _said(method, said, is_there=len(own) > 0),
    ]


def _own(method: str, costs: pd.DataFrame, chosen: set[str]) -> pd.DataFrame:
    """The costs of a method: of chosen runs where they have it, else of all."""
    own = costs[costs["method"] == method] if len(costs) else costs
    mine = own[own["run_id"].isin(chosen)] if len(own) else own
    return mine if len(mine) else own


def _caveat(caveat: str) -> tuple[str, str]:
    """What has to be known of a method: a word as a mark beside its name, else a sentence."""
    word, colon, _ = caveat.partition(":")
    if colon and len(word) <= LONGEST_MARK:
        return label_chip(word.removeprefix("a ").removeprefix("an "), caveat), ""
    said = f"{caveat[:1].upper()}{caveat[1:]}."
    return "", f"<br>{small(said)}" if caveat else ""


def _reference(facts: MethodFacts) -> str:
    """Authors and year, as a link where the bibliography says where to read it."""
    said = small(facts.reference or "a baseline")
    key = facts.cites[-1] if facts.reference and facts.cites else ""
    author = facts.reference.removeprefix("after ").replace(",", " ").split(" ")[0]
    # A variant of somebody else's method cites what it is built on, too: that is not its paper.
    if not key or author not in bibtex([key]) or not (address := link_of(key)):
        return said
    url = html.escape(address, quote=True)
    return f'<a href="{url}" target="_blank" rel="noopener noreferrer">{said}</a>'


def _size(facts: MethodFacts, own: pd.DataFrame) -> str:
    """How many values are trained: counted, with the model; else the formula alone."""
    counts = own.dropna(subset=["trained_values"]) if len(own) else own
    if counts.empty:
        return facts.size
    first = counts.iloc[0]
    return f"{facts.size}: {int(first['trained_values']):,} on {first['model']}"


def _cost(method: str, own: pd.DataFrame) -> str:
    """Steps; time, and tokens where they are more, relative to plain LoRA; seconds."""
    if own.empty or own["steps"].isna().all():
        return MISSING
    lines = [f"{_range(own['steps'], 0)} steps"]
    if method != REFERENCE and own["time_ratio"].notna().any():
        lines.append(f"{_range(own['time_ratio'], 1)} × LoRA's time")
    tokens = own["tokens_ratio"].dropna()
    if len(tokens) and tokens.max() > _NOTABLE:
        lines.append(f"reads {_range(tokens, 1)} × its tokens")
    seconds = own["train_seconds"].dropna()
    took = [small(duration(float(seconds.mean())))] if len(seconds) else []
    return "<br>".join([lines[0], *map(small, lines[1:]), *took])


def _range(values: pd.Series[float], digits: int) -> str:
    """One number, or the least and the most where they differ as shown."""
    low, high = (f"{end:,.{digits}f}" for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _said(name: str, said: pd.DataFrame, is_there: bool) -> str:
    if name == REFERENCE:
        return small("the reference of the others")
    own = said[(said["method"] == name) & said["outcome"].isin(list(SHOWN))] if len(said) else said
    if own.empty:
        return small(NOT_BESIDE if is_there else NOT_STUDIED)
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


def _of_verdict(verdict: str, rows: Sequence[dict[str, Any]]) -> str:
    sentences = "\n".join(row["sentence"] for row in rows)
    named = ", ".join(SHOWN[row["outcome"]] for row in rows)
    return f"<div>{difference_chip(verdict, verdict, sentences)} {html.escape(named)}</div>"
