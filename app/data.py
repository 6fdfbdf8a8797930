"""Which runs there are, and their tables, read once per version of the run folder."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from sapo_analysis.store import CACHED_RUNS, DamagedRun, Run, list_runs, open_run
from sapo_analysis.store.folder import default_run_id
from sapo_analysis.store.layout import STATUS

RUNS_VARIABLE = "SAPO_RUNS"
"""Environment variable with the user's runs folders, separated like PATH; `sapo app` sets it."""


def runs_folders() -> list[Path]:
    """The user's runs folders (default `./runs`), then the shipped runs; each once."""
    own = os.environ.get(RUNS_VARIABLE, "").split(os.pathsep)
    folders = [Path(part) for part in own if part] or [Path("runs")]
    return list(dict.fromkeys(folder.resolve() for folder in (*folders, CACHED_RUNS)))


def own_folder() -> Path:
    """Where the user's new runs, prompts and drafts go: the first runs folder."""
    return runs_folders()[0]


def all_runs() -> dict[str, Run | DamagedRun]:
    """Every run by its id, the shipped default first; statuses are read anew each time."""
    found: dict[str, Run | DamagedRun] = {}
    for run in list_runs(runs_folders()):
        found.setdefault(run.run_id, run)
    first = default_run_id()
    return dict(sorted(found.items(), key=lambda item: (item[0] != first, _rank(item[1]))))


def is_sequence(run: Run | DamagedRun) -> bool:
    """Whether it is a sequence run, which has a page of its own."""
    return isinstance(run, Run) and run.study.kind == "sequence"


def _rank(run: Run | DamagedRun) -> int:
    """Complete runs before unfinished ones, damaged ones last."""
    if isinstance(run, DamagedRun):
        return 2
    return 0 if run.is_complete else 1


def version(run: Run) -> str:
    """Changes whenever the tables of the run may have changed: a group was saved, or it ended."""
    complete = run.is_complete
    stamp = (run.path / STATUS).stat().st_mtime_ns if complete else len(run.finished_groups)
    return f"{run.path}|{run.status.state}|{stamp}"


@st.cache_resource(max_entries=24, show_spinner="Reading the run …")
def loaded(path: str, run_version: str) -> Run:
    """The run with its tables, shared by all sessions; tables are handed out as copies."""
    return open_run(path)
