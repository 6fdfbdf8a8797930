"""A run under way, followed through its files: what is new is read, what is known is kept.

Shared by all sessions of the server, so that ten open pages read a file once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from sapo_analysis.analysis import progress as counting
from sapo_analysis.analysis.prompt_means import prompts_table
from sapo_analysis.analysis.sequences import so_far
from sapo_analysis.analysis.sequences.live import Choice, LiveSequence
from sapo_analysis.app import estimates, sequences
from sapo_analysis.app.data import Key, loaded, version
from sapo_analysis.errors import InputError
from sapo_analysis.figures import OUTCOMES
from sapo_analysis.plan import AnyPlan, Plan, SequencePlan, as_engine, plan_of
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store import Run
from sapo_analysis.store.live import LiveReader


@st.cache_resource(max_entries=16, show_spinner=False)
def _plan(path: str, engine: str, _run: Run) -> AnyPlan:
    # The spec of a run never changes: its folder says enough.
    return plan_of(_run.made_here("be planned"), as_engine(engine))


def plan(run: Run) -> AnyPlan | None:
    """The plan that a run is carried out by; None where its model or tasks are not here."""
    engine = run.provenance.get("engine") or run.conditions.engine or "stacked"
    try:
        return _plan(str(run.path), str(engine), run)
    except InputError:
        return None


@dataclass(frozen=True)
class Heard:
    """What a sequence run has told so far; of a paraphrase study nothing.

    `original` is the id of the original prompt of the task that candidates are for.
    """

    candidates: tuple[Choice, ...] = ()
    task: str = ""
    original: str | None = None
    last_choice: str = ""


class Feed:
    """Takes in what one run tells, each byte once, for whoever asks."""

    def __init__(self, path: Path, study: SequenceStudy):
        self._reader, self._race = LiveReader(path), LiveSequence(study)
        self._lock = threading.Lock()

    def hear(self, plan: AnyPlan | None) -> Heard:
        """Everything so far."""
        with self._lock:
            self._race.take(self._reader.new())
            task = self._race.scored_task
            originals = plan.originals if isinstance(plan, SequencePlan) else {}
            original = originals[task].prompt_id if task in originals else None
            return Heard(tuple(self._race.candidates), task, original, self._race.now)


@st.cache_resource(max_entries=16, show_spinner=False)
def _feed(path: str, _run: Run) -> Feed:
    return Feed(Path(path), _run.sequence)


def heard(run: Run) -> Heard:
    """What a run tells beyond its tables."""
    if run.study.kind != "sequence" or run.is_complete:
        return Heard()
    return _feed(str(run.path), run).hear(plan(run))


def key_of(run: Run) -> Key:
    """Changes when a group of the run is saved, or its state does."""
    return str(run.path), version(run)


@st.cache_data(max_entries=64, show_spinner=False)
def _progress(key: Key, _plan_of_it: AnyPlan) -> counting.Progress:
    return counting.progress(_plan_of_it, loaded(*key))


def progress(run: Run) -> counting.Progress | None:
    """The steps of a run; None where its plan cannot be made here."""
    its_plan = plan(run)
    return None if its_plan is None else _progress(key_of(run), its_plan)


@st.cache_data(max_entries=16, show_spinner=False)
def trials(key: Key) -> pd.DataFrame:
    """Where every trial of a paraphrase study stands; empty where its plan cannot be made here."""
    run = loaded(*key)
    its_plan = plan(run)
    if not isinstance(its_plan, Plan):
        return pd.DataFrame()
    return counting.trials_table(its_plan, run)


@st.cache_data(max_entries=16, show_spinner=False)
def candidates(key: Key) -> pd.DataFrame:
    """Losses of a paraphrase study's candidates so far."""
    return counting.candidates_table(loaded(*key))


@st.cache_data(max_entries=16, show_spinner=False)
def points(key: Key) -> tuple[str, pd.DataFrame]:
    """The first outcome that has points in a paraphrase study so far, and those; else none."""
    df = estimates.impacts((key,))
    roles = set(df.loc[df["purpose"] == "main", "role"])
    for name, outcome in OUTCOMES.items():
        if outcome.role in roles:
            found = prompts_table(df, outcome.score, outcome.role)
            if not found.empty:
                return name, found
    return "", pd.DataFrame()


@st.cache_data(max_entries=16, show_spinner=False)
def curves(key: Key) -> pd.DataFrame:
    """Training losses of the trials that ended last."""
    return counting.curves_table(loaded(*key))


@st.cache_data(max_entries=16, show_spinner=False)
def standings(key: Key) -> pd.DataFrame:
    """How the strategies of a sequence study stand."""
    return so_far.standings(sequences.scores((key,)), sequences.choices((key,)))


@st.cache_data(max_entries=16, show_spinner=False)
def texts(key: Key, task: str) -> dict[str, str]:
    """Wording of a task's prompts, by id."""
    its_plan = plan(loaded(*key))
    if not isinstance(its_plan, SequencePlan):
        return {}
    return {prompt.prompt_id: prompt.text for prompt in its_plan.prompts.get(task, [])}
