"""Text of users on the page: escaped for where it goes, never read as markup."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

import streamlit as st

from sapo_analysis.analysis.wording import signed

MISSING = "–"
"""In a table's cell: there is no such number."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~:$&])")
_DIFF = {
    "equal": "<span>{}</span>",
    "delete": '<del style="opacity:.7">{}</del>',
    "insert": '<ins style="background:rgba(86,180,233,.28);text-decoration:none;'
    'border-radius:3px;padding:0 2px">{}</ins>',
}


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """`+0.20 to +0.81`; a dash where there is none."""
    return MISSING if math.isnan(lower) else f"{signed(lower, digits)} to {signed(upper, digits)}"


def with_interval(value: float, lower: float, upper: float, digits: int = 2) -> str:
    """`+0.52 (+0.20 to +0.81)`; a dash for what does not exist."""
    if math.isnan(value):
        return MISSING
    return f"{signed(value, digits)} ({interval(lower, upper, digits)})"


def span(lower: float, upper: float, digits: int = 2) -> str:
    """`0.20 to 0.81`, of what is mostly above 0; a dash where there is none."""
    return MISSING if math.isnan(lower) else f"{plain(lower, digits)} to {plain(upper, digits)}"


def plain(value: float, digits: int = 2) -> str:
    """A number with a sign only below 0; a dash where there is none."""
    return signed(value, digits).removeprefix("+")


def md(text: str) -> str:
    """Plain text for a place that reads Markdown."""
    return _MARKDOWN.sub(r"\\\1", text).replace("\n", " ")


def diff(parts: Sequence[tuple[str, str]]) -> None:
    """A word diff: words only in the original struck out, new words marked."""
    words = " ".join(_DIFF[op].format(html.escape(text)) for op, text in parts)
    st.html(f'<p style="line-height:1.55;margin:0">{words}</p>')


def refused(message: str) -> None:
    """A refusal: its first line, then each place that it names on a line of its own."""
    first, *problems = message.splitlines()
    listed = "".join(f"\n- {md(line.strip().removeprefix('- '))}" for line in problems)
    st.error(f"{md(first)}\n{listed}", icon=":material/block:")
