"""Table columns on the page: label, definition, unit and direction come from the glossary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from sapo_analysis.analysis.glossary import entry

ENDS = {"_lower": ", from", "_upper": ", to", "_n": ", n"}
"""What a column is called beside the one whose interval or size it gives."""


def columns(
    names: Iterable[str],
    *,
    formats: Mapping[str, str] | None = None,
    widths: Mapping[str, Any] | None = None,
    pinned: str = "",
    checks: Iterable[str] = (),
    helps: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`column_config` of a table whose columns are terms of the glossary.

    Args:
        names: The table's columns; `x_lower`, `x_upper` and `x_n` belong to the term `x`.
        formats: printf formats; a column with one is a column of numbers.
        widths: In pixels, or `small`, `medium`, `large`.
        pinned: The column that stays when the table is scrolled.
        checks: Columns of yes and no.
        helps: What a column means in this table beyond its definition; added to it.

    Raises:
        InputError: a column has no term.
    """
    formats, widths, helps = formats or {}, widths or {}, helps or {}
    found: dict[str, Any] = {}
    for name in names:
        label, text = _words(name)
        common = {
            "label": label,
            "help": f"{text} {helps[name]}" if name in helps else text,
            "width": widths.get(name),
            "pinned": True if name == pinned else None,
        }
        if name in formats:
            found[name] = st.column_config.NumberColumn(format=formats[name], **common)
        elif name in checks:
            found[name] = st.column_config.CheckboxColumn(**common)
        else:
            found[name] = st.column_config.Column(**common)
    return found


def _words(name: str) -> tuple[str, str]:
    for end, said in ENDS.items():
        if name.endswith(end):
            whole = entry(name.removesuffix(end))
            what = "How many values it is over." if end == "_n" else "95 % interval."
            return f"{whole.label}{said}", f"{whole.help} {what}"
    term = entry(name)
    return term.label, term.help
