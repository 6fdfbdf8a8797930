"""Tables that are small enough to be read whole; every column is a term of the glossary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from sapo_analysis.app.components.columns import columns
from sapo_analysis.app.components.text import MISSING

MOST_ROWS = 16
"""A longer table scrolls."""
_SCROLLED = 560


def table(
    shown: pd.DataFrame,
    alt: str,
    *,
    pinned: str = "",
    formats: Mapping[str, str] | None = None,
    widths: Mapping[str, Any] | None = None,
    helps: Mapping[str, str] | None = None,
) -> None:
    """One table; what does not exist is a dash.

    Args:
        shown: Its columns are terms of the glossary.
        alt: What it shows, for who cannot see it.
        pinned: As in `columns`; so are the others.
        formats: As there.
        widths: As there.
        helps: As there.
    """
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(shown) <= MOST_ROWS else _SCROLLED,
        placeholder=MISSING,
        alt=alt,
        column_config=columns(shown, pinned=pinned, formats=formats, widths=widths, helps=helps),
    )


def sizes(rows: pd.DataFrame) -> list[str]:
    """`11 × 13 × 3`: tasks, prompts and seeds of each row."""
    return [
        " × ".join(map(str, own))
        for own in zip(rows["n_tasks"], rows["n_prompts"], rows["n_seeds"], strict=True)
    ]


def noted(shown: pd.DataFrame) -> pd.DataFrame:
    """Without its notes (`why_missing`) where there are none; an empty note is a dash."""
    notes = shown["why_missing"].replace("", None)
    if notes.isna().all():
        return shown.drop(columns="why_missing")
    return shown.assign(why_missing=notes)
