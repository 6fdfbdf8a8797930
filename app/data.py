"""Which runs there are, and their tables, read once per version of the run folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import streamlit as st

from sapo_analysis.errors import RunError
from sapo_analysis.store import CACHED_RUNS, DamagedRun, Run, open_run
from sapo_analysis.store.catalog import Catalog, written_kind
from sapo_analysis.store.folder import default_run_id
from sapo_analysis.store.layout import STATUS
from sapo_analysis.store.reader import Parts

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


@st.cache_resource
def catalog() -> Catalog:
    """One listing for all sessions: what has not changed on the disk is not read again."""
    return Catalog()


def all_runs() -> dict[str, Run | DamagedRun]:
    """Every run by its id, the shipped default first; statuses are read anew each time."""
    found: dict[str, Run | DamagedRun] = {}
    for run in catalog().runs(runs_folders()):
        found.setdefault(run.run_id, run)
    first = default_run_id()
    return dict(sorted(found.items(), key=lambda item: (item[0] != first, _rank(item[1]))))


def kind_of(run: Run | DamagedRun) -> str:
    """`paraphrase`, `sequence` or `imported`; "" of a damaged run whose spec cannot be read.

    An imported sequence counts as a sequence: the same page shows it.
    """
    kind = run.study.kind if isinstance(run, Run) else written_kind(run.path)
    return kind.removeprefix("imported-")


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


Key = tuple[str, str]
"""(path, version) of a run."""

Keys = tuple[Key, ...]
"""Of each chosen run: what a cached answer about all of them hangs on."""

_READ_BY_PAGES = (
    *("prompts", "examples", "states", "trials", "scores", "indicators", "predictions"),
    *("curves", "chains", "diagnostics", "persistence"),
)


@st.cache_resource(max_entries=8, show_spinner=False)
def _parts(path: str) -> Parts:
    """What is read already of a run under way: a long one is not read anew with every group."""
    return {}


@st.cache_resource(max_entries=64, show_spinner="Reading the run …")
def loaded(path: str, run_version: str) -> Run:
    """The run with its tables, shared by all sessions; tables are handed out as copies.

    One that is worked on is read at once, so that all of its tables are of the same moment.
    """
    run = open_run(path, _parts(path))
    if not run.is_complete:
        for name in _READ_BY_PAGES:
            with suppress(RunError):  # a damaged table is an error for whoever asks for it
                run.table(name)
    return run


def opened(keys: Keys) -> list[Run]:
    """The runs behind the keys."""
    return [loaded(*key) for key in keys]
