"""What the launch page asks of the rest: plans, trials to reuse, earlier launches, the launch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st
from filelock import FileLock, Timeout

from sapo_analysis import jobs
from sapo_analysis.analysis.claims import no_verdict
from sapo_analysis.analysis.next_study.pilot import Pilot, pilot_of
from sapo_analysis.app import estimates
from sapo_analysis.app.data import all_runs, catalog, loaded, own_folder, version
from sapo_analysis.app.launching import Checked, Start, check, same_study
from sapo_analysis.errors import InputError, SapoError, WorkError
from sapo_analysis.plan import EngineName
from sapo_analysis.plan.anchored import anchored
from sapo_analysis.reuse import Reuse, find_reusable, plan_to_fill
from sapo_analysis.spec import AnyStudy, parse_study
from sapo_analysis.store import Run, refuse_if_read_only
from sapo_analysis.store.drafts import FOLDER
from sapo_analysis.store.layout import SPEC

_LOCK = ".launch.lock"
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Lent:
    """What a run lends to a study: how many trials, in words, or why it cannot."""

    trial_ids: frozenset[str] = frozenset()
    words: str = ""
    refusal: str = ""


def checked(
    start: Start, changes: dict[str, Any], engine: EngineName, models: list[str], stamp: str = ""
) -> Checked:
    """The plan of a form, or its problems; the same form is looked at once.

    `stamp` changes when a task that it names is another one.
    """
    settings = json.dumps([{**start.settings, **changes}, stamp], sort_keys=True)
    return _checked(start, changes, engine, tuple(models), settings)


@st.cache_resource(max_entries=32, show_spinner=False)
def _checked(
    _start: Start, _changes: dict[str, Any], engine: EngineName, models: tuple[str, ...], key: str
) -> Checked:
    return check(_start, _changes, engine, models)


def lent(study: AnyStudy, engine: EngineName, lender: Run, allow_mixed: bool) -> Lent:
    """What the run lends, counted once per state of its tables."""
    text = study.model_dump_json()
    return _lent(text, engine, str(lender.path), version(lender), allow_mixed)


@st.cache_data(max_entries=32, show_spinner="Looking for trials to reuse …")
def _lent(study: str, engine: EngineName, path: str, run_version: str, allow_mixed: bool) -> Lent:
    asked = parse_study(json.loads(study), "The form")
    try:
        found = find_reusable(plan_to_fill(asked, engine), [loaded(path, run_version)], allow_mixed)
    except InputError as error:
        return Lent(refusal=str(error))
    return Lent(found.trial_ids, found.in_words())


def reuse_of(study: AnyStudy, engine: EngineName, lender: Run, allow_mixed: bool) -> Reuse | None:
    """The trials themselves; none where the run has none.

    Raises:
        InputError: the run cannot lend.
    """
    run = loaded(str(lender.path), version(lender))
    found = find_reusable(plan_to_fill(study, engine), [run], allow_mixed)
    return found if found.trial_ids else None


def pilot_from(run: Run | None) -> Pilot | None:
    """What a run says of effect and spread; None without one whose claims may be judged."""
    if run is None or run.study.kind != "paraphrase" or no_verdict([run]):
        return None
    return _pilot(str(run.path), version(run))


@st.cache_resource(max_entries=32, show_spinner=False)
def _pilot(path: str, run_version: str) -> Pilot | None:
    try:
        return pilot_of(estimates.impacts(((path, run_version),)))
    except SapoError:  # its own pages say what is damaged; the form works without it
        return None


def equal_runs(study: AnyStudy) -> list[Run]:
    """Runs of the user's own folder that do the same work, whatever they are called."""
    own, wanted = own_folder(), anchored(study)  # as a run's spec has it
    return [
        run
        for run in catalog().runs([own])
        if isinstance(run, Run) and run.path.parent == own and same_study(wanted, run.study)
    ]


def launched_at(run: Run) -> str:
    """When a run was made, UTC, ISO 8601."""
    return datetime.fromtimestamp((run.path / SPEC).stat().st_mtime, UTC).isoformat()


def launch_once(
    study: AnyStudy,
    engine: EngineName,
    known: frozenset[str],
    lend: Callable[[], Reuse | None] = lambda: None,
) -> Path | None:
    """Launch a study, unless somebody did just now; then nothing, and the page has to ask.

    Args:
        study: What to launch.
        engine: What it is to be carried out by.
        known: Ids of equal runs that the user has been told of.
        lend: Gives the trials to take over.

    Raises:
        InputError: the study cannot be run, the folder cannot be written, or is read-only.
        WorkError: another window launches right now, or the queue cannot be used.
    """
    refuse_if_read_only("no run can be launched here")
    folder = own_folder() / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two clicks, or two windows, one after the other: the second finds the first one's run.
        with FileLock(folder / _LOCK, timeout=_PATIENCE_SECONDS):
            if {run.run_id for run in equal_runs(study)} - known:
                return None
            return jobs.launch(study, own_folder(), engine, lend())
    except Timeout:
        raise WorkError("Another window is launching right now. Try again in a moment.") from None
    except OSError as error:
        raise InputError(
            f"Cannot write a run into {str(own_folder())!r}: {error.strerror}."
            " Start the app with a writable folder: sapo app --runs DIR."
        ) from error


def run_here(run_id: str) -> Run | None:
    """A run by its id, if it can be opened."""
    found = all_runs().get(run_id)
    return found if isinstance(found, Run) else None
