"""The four cards: each claim's number, interval, n and verdicts."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

import streamlit as st

from sapo_analysis.analysis.claims import reason_in_short
from sapo_analysis.analysis.estimate import Estimate, Verdict
from sapo_analysis.analysis.glossary import entry
from sapo_analysis.analysis.wording import signed
from sapo_analysis.app.components.chips import chips
from sapo_analysis.app.components.text import md


@dataclass(frozen=True)
class Card:
    """What one card asks (a claim, which the glossary describes) and what its button opens."""

    claim: str
    opens: dict[str, str]


CARDS = {
    "forgetting_past": Card("claim_3_forgetting_past", {"outcome": "forgetting_past"}),
    "forgetting_retained": Card("claim_3_forgetting_retained", {"outcome": "forgetting_retained"}),
    "generalization": Card("claim_3_generalization", {"outcome": "generalization"}),
    "alike": Card("claim_1", {"outcome": "in_task"}),
    "between": Card("claim_2", {"tab": "Between tasks"}),
}


def four(outcome: str, has_past: bool) -> list[Card]:
    """The cards of this page; the first follows the kind of forgetting that is looked at."""
    retained = outcome == "forgetting_retained" or not has_past
    first = "forgetting_retained" if retained else "forgetting_past"
    return [CARDS[name] for name in (first, "generalization", "alike", "between")]


def show(card: Card, verdicts: list[Verdict], form: str, silent: str, missing: str) -> None:
    """One card. `silent`: why there is no verdict; `missing`: why there is no number."""
    mine = [v for v in verdicts if v.claim == card.claim and v.form == form]
    with st.container(border=True, height="stretch", gap="xsmall", key=f"card-{card.claim}"):
        term = entry(card.claim)
        st.markdown(f"**{term.label}**", help=term.help)
        if not mine:
            st.caption(missing or "This run holds no data for it.")
            return
        if all(v.estimate.n_tasks == 0 for v in mine):  # nothing was estimated: no verdict, no n
            st.markdown("**Not enough prompts that differ**")
            st.caption(md(mine[0].estimate.method.partition("Left out: ")[2]))
            return
        number, interval, n = _texts(mine, card.claim)
        st.html(
            f'<div style="font-size:1.55rem;font-weight:600;line-height:1.15">{number}</div>'
            f'<div style="font-size:.85rem;opacity:.8">{interval}</div>'
        )
        if not silent:
            st.html(chips(mine))
            for words in _unclear_all_the_same(mine):
                st.caption(md(words))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(n)
            st.button(
                "View",
                key=f"view-{card.claim}",
                help="Show this below.",
                type="tertiary",
                icon=":material/arrow_downward:",
                on_click=_open,
                args=(card.opens,),
            )


def _unclear_all_the_same(pair: list[Verdict]) -> list[str]:
    """Why there is no verdict where the interval would seem to give one."""
    unclear = [
        v for v in pair if v.verdict == "unclear" and v.estimate.lower * v.estimate.upper > 0
    ]
    return list(dict.fromkeys(map(reason_in_short, unclear)))


def _open(values: dict[str, str]) -> None:
    for key, value in values.items():
        st.session_state[key] = value


def _texts(pair: list[Verdict], claim: str) -> tuple[str, str, str]:
    """Number, interval, n. The interval is that of the verdict that leads."""
    lead = min(pair, key=lambda v: (v.verdict == "too few", v.scope != "new_tasks"))
    e = lead.estimate
    scope = "new tasks" if lead.scope == "new_tasks" else "these tasks"
    if math.isnan(e.value):
        return "–", html.escape(lead.reason), _n(e)
    ratio = claim == "claim_1"
    number = f"× {math.exp(e.value):.2f}" if ratio else f"r = {signed(e.value)}"
    if math.isnan(e.lower):
        return number, f"no interval for {scope}", _n(e)
    ends = [f"{math.exp(b):.2f}" if ratio else signed(b) for b in (e.lower, e.upper)]
    return number, f"95 % for {scope}: {ends[0]} to {ends[1]}", _n(e)


def _n(e: Estimate) -> str:
    tasks = f"{e.n_tasks} task{'s' if e.n_tasks != 1 else ''}"
    return f"n = {tasks} × {e.n_prompts} prompts"
