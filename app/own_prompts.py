"""The user's own paraphrases as pages see them, and which runs have prompts that carry a mark."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from sapo_analysis.analysis.excluded import Pair, marked_in
from sapo_analysis.app.data import all_runs, own_folder, version
from sapo_analysis.errors import InputError
from sapo_analysis.store import Run, open_run
from sapo_analysis.store.own_prompts import OwnPrompts, read_marks, read_own_prompts


def own_prompts(task: str) -> OwnPrompts:
    """What the user has written down about a task's prompts, read anew each time.

    Raises:
        InputError: the file is damaged.
    """
    return read_own_prompts(own_folder(), task)


def marks() -> dict[str, set[str]]:
    """Per task, the texts marked as not equivalent."""
    return read_marks(own_folder())


def marked_prompts(run: Run, own_marks: Mapping[str, set[str]] | None = None) -> list[Pair]:
    """(task, prompt id) of a run's prompts that are marked as not equivalent."""
    wanted = marks() if own_marks is None else own_marks
    return marked_in(_prompts(str(run.path), version(run)), wanted) if wanted else []


def runs_with_marks(task: str, texts: set[str]) -> dict[str, tuple[int, int]]:
    """Per run that has any of these prompts of a task: how many, and of how many of the task."""
    found = {}
    for run_id, run in all_runs().items():
        if not isinstance(run, Run) or not texts:
            continue
        try:
            prompts = _prompts(str(run.path), version(run))
        except InputError:  # a damaged run says so on its own page
            continue
        n = len(marked_in(prompts, {task: texts}))
        if n:
            found[run_id] = (n, int((prompts["task"] == task).sum()))
    return found


@st.cache_data(max_entries=512, show_spinner=False)
def _prompts(path: str, run_version: str) -> pd.DataFrame:
    return open_run(path).table("prompts")[["task", "prompt_id", "text"]]
