"""A page of results over the chosen runs: it shows what can be read, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from sapo_analysis.app.components import header
from sapo_analysis.app.components.freshness import shown_keys
from sapo_analysis.app.data import Keys
from sapo_analysis.app.state import ignored
from sapo_analysis.errors import InputError
from sapo_analysis.store import DamagedRun, Run


def show_chosen(chosen: Sequence[Run | DamagedRun], show: Callable[[Keys], None]) -> None:
    """Show the runs that can be read, a sentence on each other, and what of the link was ignored.

    Args:
        chosen: on the page.
        show: the page below the picker; an `InputError` of it is told of the run that it names.
    """
    if not chosen:
        st.info("Choose at least one run above.")
        return
    notes = st.container()
    for run in chosen:
        if isinstance(run, DamagedRun):
            header.damaged(run, run.reason)
    good = [run for run in chosen if isinstance(run, Run)]
    if not good:
        return
    try:
        show(shown_keys(good))
    except InputError as error:
        named = [run for run in good if run.run_id in str(error)]
        header.damaged((named or good)[0], str(error))
    with notes:
        header.ignored(ignored())
