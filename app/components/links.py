"""Links from one page to another, with the run they are about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from sapo_analysis.store import Run

VIEWS = Path(__file__).resolve().parent.parent / "views"
JOB = "job"
"""Query parameter of links to Live: `run` would be lost on the way from Explore, where a picker
owns it. Live takes both, and shows `run` in the address."""


def exists(page: str) -> bool:
    """Whether there is such a page."""
    return (VIEWS / f"{page}.py").is_file()


def link(page: str, label: str, icon: str, help: str, **query: str | list[str]) -> None:
    """A link to a page with its query; nothing where there is no such page."""
    if exists(page):
        shown: Mapping[str, str | list[str]] = query
        st.page_link(
            f"views/{page}.py", label=label, icon=icon, help=help, query_params=dict(shown)
        )


def results_of(runs: list[Run], label: str, icon: str, help: str) -> None:
    """A link to the page that shows the results of runs of one kind."""
    ids = [run.run_id for run in runs]
    if runs[0].study.kind == "sequence":
        link("sequences", label, icon, help, runs=ids)
    else:
        link("explore", label, icon, help, run=ids)
