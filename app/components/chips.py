"""Verdict chips: word, icon and colour together, never colour alone."""

from __future__ import annotations

import html

from sapo_analysis.analysis.estimate import Verdict
from sapo_analysis.figures.theme import GREY, VERDICT_ICONS, VERDICTS

SCOPES = {"these_tasks": "these tasks", "new_tasks": "new tasks"}
_SHAPE = (
    "display:inline-block;border-radius:999px;padding:1px 9px;font-size:0.8rem;font-weight:600;"
    "white-space:nowrap;margin:0 4px 3px 0;"
)
OF_DIFFERENCES = {
    "better": "supported",
    "worse": "contradicted",
    "unclear": "unclear",
    "too few": "too few",
}
"""Which look a verdict on a difference has."""
_INK = {"contradicted": "#14171C"}
"""White on this one's orange would be hard to read (a contrast below 4.5)."""


def chip(verdict: Verdict) -> str:
    """One verdict as HTML. *Too few* is hollow: it is the absence of a verdict."""
    word = f"{SCOPES[verdict.scope]}: {verdict.verdict}"
    return _chip(verdict.verdict, word, verdict.reason)


def difference_chip(verdict: str, word: str, title: str) -> str:
    """A verdict on a difference as HTML.

    Args:
        verdict: `better`, `worse`, `unclear` or `too few`; or that of a claim.
        word: what stands in the chip, plain text.
        title: the sentence behind it, plain text.
    """
    return _chip(OF_DIFFERENCES.get(verdict, verdict), word, title)


def label_chip(word: str, title: str) -> str:
    """A plain mark beside a name, as HTML; arguments as of a verdict's."""
    style = f"{_SHAPE}border:1px solid {GREY};font-weight:400"
    said = html.escape(title, quote=True)
    return f'<span style="{style}" title="{said}">{html.escape(word)}</span>'


def _chip(look: str, word: str, reason: str) -> str:
    label = f"{VERDICT_ICONS[look]} {html.escape(word)}"
    title = html.escape(reason, quote=True)
    if look == "too few":
        style = f"{_SHAPE}border:1px dashed {GREY};opacity:.85"
    else:
        color, ink = VERDICTS[look], _INK.get(look, "#fff")
        style = f"{_SHAPE}border:1px solid {color};background:{color};color:{ink}"
    return f'<span style="{style}" title="{title}">{label}</span>'


def chips(pair: list[Verdict]) -> str:
    """Both verdicts of a claim; the one that says something comes first."""
    ordered = sorted(pair, key=lambda v: (v.verdict == "too few", v.scope != "new_tasks"))
    return "".join(chip(verdict) for verdict in ordered)
