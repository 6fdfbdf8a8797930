"""Tables whose cells hold chips and small print: HTML in the page's own colours, text escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

_LINE = "1px solid rgba(138,143,152,.35)"
_CELL = f"padding:5px 10px 5px 0;border:0;border-bottom:{_LINE};vertical-align:top;"
_HEAD = f"{_CELL}text-align:left;font-weight:600;opacity:.75;vertical-align:bottom;"


@dataclass(frozen=True)
class Head:
    """A column: what it is called and what it means; `width` as CSS has it."""

    label: str
    help: str = ""
    width: str = ""


def small(text: str) -> str:
    """Plain text as small print."""
    return f'<span style="font-size:.8rem;opacity:.75">{html.escape(text)}</span>'


def whole(text: str) -> str:
    """Plain text as small print that is never broken: an interval."""
    return f'<span style="white-space:nowrap">{small(text)}</span>'


def strong(text: str) -> str:
    """Plain text that is read first."""
    return f"<strong>{html.escape(text)}</strong>"


def html_table(
    heads: Sequence[Head],
    rows: Sequence[Sequence[str] | str],
    label: str,
    least: str = "0",
) -> None:
    """Draw it.

    Args:
        heads: the columns, plain text.
        rows: cells as HTML; a plain text in place of cells is the heading of those below it.
        label: what the table shows, for who cannot see it.
        least: its least width, as CSS has it: where there is less room it is scrolled.
    """
    top = "".join(
        f'<th scope="col" title="{html.escape(head.help, quote=True)}"'
        f' style="{_HEAD}{f"width:{head.width};" if head.width else ""}'
        f'{"cursor:help;" if head.help else ""}">{html.escape(head.label)}</th>'
        for head in heads
    )
    body = "".join(_row(row, len(heads)) for row in rows)
    st.html(
        '<div style="overflow-x:auto">'
        f'<table aria-label="{html.escape(label, quote=True)}"'
        f' style="min-width:{least};width:100%;border-collapse:collapse;'
        'font-size:.9rem;line-height:1.45">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str] | str, n: int) -> str:
    if isinstance(row, str):
        style = f"{_CELL}padding-top:14px;font-weight:600"
        return f'<tr><td colspan="{n}" style="{style}">{html.escape(row)}</td></tr>'
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>"
