"""Live: one run while it is worked on, from any tab, through its files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitAPIException

from sapo_analysis.app import following
from sapo_analysis.app.components import acting, header, links, live_pictures, run_state
from sapo_analysis.app.components.run_buttons import state_and_buttons
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import all_runs
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import DamagedRun, Run, open_run

LOOK_EVERY_SECONDS = 2
# A stopped run stands still until somebody resumes it, perhaps in another tab.
LOOK_AT_STOPPED_EVERY_SECONDS = 10
# Share of the time that may go into redrawing: a long run's pictures cost more and come less often.
DRAWING_AT_MOST = 0.2
_SEEN = "live-seen"
_ORDER = ("running", "stalled", "queued", "interrupted", "failed", "cancelled", "done")


def page() -> None:
    """The whole page, in the order it is read."""
    acting.show_said()
    runs = all_runs()
    wanted = st.query_params.get("run") or st.query_params.get(links.JOB) or ""
    if wanted:
        header.absent_runs([wanted], runs)
    chosen = _picker(runs, wanted)
    if chosen is None:
        _nothing(runs)
    elif isinstance(chosen, DamagedRun):
        header.damaged(chosen, chosen.reason)
    elif chosen.is_imported:
        st.info(
            f"Run {md(chosen.run_id)} holds imported results: nobody works on it.",
            icon=":material/upload_file:",
        )
        links.results_of([chosen], "Open results", ":material/insights:", "What it holds.")
    else:
        _live(chosen)


def _picker(runs: Mapping[str, Run | DamagedRun], wanted: str) -> Run | DamagedRun | None:
    """The run of the link, else what is at work or waits first."""
    unfinished = [r for r in runs.values() if isinstance(r, Run) and not r.is_complete]
    unfinished.sort(key=lambda run: _ORDER.index(run.status.state))
    options = [run.run_id for run in unfinished]
    if wanted in runs and wanted not in options:
        options.insert(0, wanted)
    going = [r.run_id for r in unfinished if r.status.is_at_work or r.status.state == "queued"]
    first = wanted if wanted in options else next(iter(going), None)
    if first is None:
        return None
    if len(options) > 1:
        shown = st.selectbox(
            "Run",
            options,
            index=options.index(first),
            # Named by what it shows: a link to another run is not overruled by an old choice.
            key=f"live-run-{first}",
            help="Runs that are not done, those at work first.",
            label_visibility="collapsed",
            width=420,
        )
        first = str(shown or first)
    _keep_in_address(first)
    if wanted and wanted != first:
        st.rerun()  # the picker is drawn under its new name at once
    return runs[first]


def _keep_in_address(run_id: str) -> None:
    """Any tab can rejoin by the address."""
    if st.query_params.get("run") == run_id:
        return
    # On the way here from Explore, whose picker owns `run`, that is still taken: the next time.
    with suppress(StreamlitAPIException):
        st.query_params["run"] = run_id
        st.query_params.pop(links.JOB, None)


def _nothing(runs: Mapping[str, Run | DamagedRun]) -> None:
    st.subheader("Nothing is at work, and nothing waits.", anchor=False)
    with st.container(horizontal=True):
        links.link(
            "launch", "Launch a study", ":material/rocket_launch:", "A form with everything in it."
        )
        links.link("runs", "All runs", ":material/table_rows:", "Every run there is.")
    stopped = [r for r in runs.values() if isinstance(r, Run) and not r.is_complete][:5]
    if stopped:
        st.markdown("These were stopped and can be resumed:")
    for run in stopped:
        links.link(
            "live",
            f"{run.run_id} · {run.status.state}",
            run_state.LOOKS[run.status.state][1],
            "See where it stands.",
            **{links.JOB: run.run_id},
        )


def _live(run: Run) -> None:
    """The parts that follow the run by themselves, then what is drawn when a group ends."""
    state, key = run.status.state, following.key_of(run)
    follows = state in ("queued", "running", "stalled")
    every = LOOK_EVERY_SECONDS if follows else LOOK_AT_STOPPED_EVERY_SECONDS
    if state == "done":
        every = None
    st.session_state[_SEEN] = (str(run.path), state, key, time.monotonic(), 0.0)
    st.fragment(_top, run_every=every)(str(run.path))
    state_and_buttons(run)
    if run.study.kind == "sequence" and follows:
        st.fragment(_choice, run_every=every)(str(run.path))
    began = time.monotonic()
    try:
        if run.study.kind == "sequence":
            live_pictures.of_sequence(run, key)
        else:
            live_pictures.of_paraphrase(run, key)
    except InputError as error:
        header.damaged(run, str(error))
    drawn = time.monotonic()
    st.session_state[_SEEN] = (str(run.path), state, key, drawn, drawn - began)


def _top(path: str) -> None:
    """Header, steps and what it does now; drawn anew every other second while it goes on."""
    run = _opened(path)
    progress = following.progress(run)
    run_state.top(run)
    run_state.steps_line(progress)
    run_state.now_line(run, progress)
    seen_path, state, key, drawn_at, took = st.session_state[_SEEN]
    if seen_path != path:
        return
    is_time = time.monotonic() - drawn_at > took / DRAWING_AT_MOST
    if run.status.state != state or (following.key_of(run) != key and is_time):
        st.rerun()


def _choice(path: str) -> None:
    live_pictures.the_choice(_opened(path))


def _opened(path: str) -> Run:
    """The run as it stands; a page whose run is deleted or damaged meanwhile is drawn anew."""
    try:
        return open_run(Path(path))
    except RunError:
        st.rerun()


page()
