"""Races of the runs on the page: cached calls, and which one lies over the scatter, as far as seen.

What a race has is kept in the version that was shown: new points wait behind a button.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from sapo_analysis.analysis import races
from sapo_analysis.analysis.impacts import CurrentTest
from sapo_analysis.analysis.prompt_means import prompt_means
from sapo_analysis.analysis.races import Course, Match, RacePoints, Told
from sapo_analysis.analysis.races.points import other_pasts
from sapo_analysis.app import estimates
from sapo_analysis.app.data import Key, Keys, all_runs, opened, version
from sapo_analysis.app.state import Asked
from sapo_analysis.store import DamagedRun, Run, open_run
from sapo_analysis.store.live import LiveReader

PARAMETER = "race"
"""Query parameter of the run that lies over the scatter."""
INDICATOR = "pre_update_loss"
"""What has to be on x: other indicators are not known at a race's states."""
_SHOWN = "shown-race"

RaceKey = tuple[str, str, int]
"""(path, version, states told beside the tables) of a race as it was shown."""


def sequences() -> dict[str, Run]:
    """Every sequence run that can be opened, those at work first."""
    every = all_runs().values()
    found = [run for run in every if isinstance(run, Run) and run.study.kind == "sequence"]
    return {run.run_id: run for run in sorted(found, key=lambda run: run.is_complete)}


def chosen() -> Run | DamagedRun | str | None:
    """The run of the link; its name where it is not here, None where none is asked for."""
    run_id = st.query_params.get(PARAMETER, "")
    return all_runs().get(run_id, run_id) if run_id else None


def choose(run_id: str | None) -> None:
    """Lay a run over the scatter, as it is now; None: take it away."""
    st.session_state.pop(_SHOWN, None)
    if run_id is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = run_id


def shown_key(run: Run) -> RaceKey:
    """The chosen run as this reader sees it: in the version it was first laid over with."""
    known: RaceKey | None = st.session_state.get(_SHOWN)
    if known is None or known[0] != str(run.path):
        known = key_now(run)
        st.session_state[_SHOWN] = known
    return known


def show(key: RaceKey) -> None:
    """Let the reader see a newer version."""
    st.session_state[_SHOWN] = key


def key_now(run: Run) -> RaceKey:
    """Changes when a group of the run is saved, a state is told, or the run ends."""
    told = 0 if run.is_complete else _feed(str(run.path), run).read()
    return str(run.path), version(run), told


class Feed:
    """Takes in what one run tells, each byte once, for all sessions."""

    def __init__(self, path: Path, n_scored: int):
        self._reader, self._told, self._n = LiveReader(path), Told(n_scored), 0
        self._lock = threading.Lock()

    def read(self) -> int:
        """How many states were told so far."""
        with self._lock:
            events = self._reader.new()
            self._told.take(events)
            self._n += sum(event.get("event") == "measured" for event in events)
            return self._n

    def course(self) -> Course:
        """A copy of all that was told."""
        with self._lock:
            return self._told.course.joined(Course())


@st.cache_resource(max_entries=16, show_spinner=False)
def _feed(path: str, _run: Run) -> Feed:
    return Feed(Path(path), _run.sequence.scoring.examples)


@dataclass(frozen=True)
class _Seen:
    course: Course
    prompts: pd.DataFrame
    is_complete: bool


@st.cache_resource(max_entries=32, show_spinner="Reading the race …")
def _seen(key: RaceKey) -> _Seen:
    """A race as it was when this was first asked for under this key."""
    run = open_run(key[0])
    course = races.of_tables(run)
    if not run.is_complete:
        course = _feed(key[0], run).course().joined(course)
    return _Seen(course, run.table("prompts"), run.is_complete)


def is_complete(key: RaceKey) -> bool:
    """Whether the race had ended in this version."""
    return _seen(key).is_complete


@st.cache_data(max_entries=256, show_spinner=False)
def _match(keys: Keys, key: Key) -> Match:
    return races.match(opened(keys), open_run(key[0]))


def match(keys: Keys, run: Run) -> Match:
    """What of a sequence run may be laid over the runs on the page."""
    return _match(keys, (str(run.path), version(run)))


@st.cache_data(max_entries=32, show_spinner=False)
def _rows(keys: Keys, test_prompt: CurrentTest, key: RaceKey) -> pd.DataFrame:
    seen = _seen(key)
    return races.race_impacts(
        _match(keys, key[:2]),
        seen.course,
        estimates.impacts(keys, test_prompt),
        estimates.prompts(keys),
        seen.prompts,
        test_prompt,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def points(keys: Keys, asked: Asked, key: RaceKey) -> RacePoints:
    """Where a race's stages stand on the axes of the scatter."""
    df = estimates.impacts(keys, asked.test_prompt)
    means = prompt_means(df, asked.y, role=asked.role, eval_task=asked.eval_task)
    rows = _rows(keys, asked.test_prompt, key)
    return races.race_points(rows, means, asked.y, asked.role, _match(keys, key[:2]))


def n_stages(keys: Keys, key: RaceKey) -> int:
    """Finished stages of a race that count as trials of the study."""
    rows = _rows(keys, "training", key)
    return len(rows[["strategy", "order", "seed", "stage"]].drop_duplicates())


def n_other_pasts(keys: Keys, key: RaceKey) -> int:
    """Finished stages left out, as a past task was learned with another prompt."""
    seen = _seen(key)
    return other_pasts(_match(keys, key[:2]), seen.course, seen.prompts)
