"""The sidebar's one line on what is at work, and a notice when it has ended."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.analysis.wording import about, counted
from sapo_analysis.app.components import links
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import all_runs, runs_folders
from sapo_analysis.store import Run

LOOK_EVERY_SECONDS = 5
_KEEP_GOING_EVERY_SECONDS = 5
_SEEN = "sidebar-at-work"
_ENDS = {
    "done": ("is done.", ":material/check_circle:"),
    "failed": ("failed. Its page says why.", ":material/error:"),
    "interrupted": ("was interrupted. It can be resumed.", ":material/pause_circle:"),
}


def job_line() -> None:
    """Draw the line; it follows the runs by itself."""
    with st.sidebar:
        _line()


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _line() -> None:
    _keep_going(tuple(runs_folders()))
    runs = {run.run_id: run for run in all_runs().values() if isinstance(run, Run)}
    _notices(runs)
    at_work = [run for run in runs.values() if run.status.is_at_work]
    waiting = sum(run.status.state == "queued" for run in runs.values())
    for run in at_work[:1]:
        links.link(
            "live",
            in_words(run),
            ":material/play_arrow:",
            "What it does now.",
            **{links.JOB: run.run_id},
        )
    more = len(at_work) - 1
    rest = [f"{more} more at work"] if more > 0 else []
    rest += [f"{waiting} waiting"] if waiting and at_work else []
    if rest:
        st.caption(", ".join(rest))
    elif waiting:
        links.link(
            "live", f"{counted(waiting, 'run')} waiting", ":material/schedule:", "The queue."
        )


@st.cache_resource(ttl=_KEEP_GOING_EVERY_SECONDS, max_entries=1, show_spinner=False)
def _keep_going(folders: tuple[Path, ...]) -> None:
    """Once for all windows: a run that waits has its turn though a dispatcher was killed."""
    jobs.keep_going(folders)


def in_words(run: Run) -> str:
    """`Qwen pilot 34 %, 41 min left`."""
    status = run.status
    words = run.study.name
    if status.total:
        words += f" {100 * status.done / status.total:.0f} %"
    if status.state == "stalled":
        return f"{words}, no sign of life"
    left = status.seconds_left
    return words + (f", {about(left)} left" if left is not None else "")


def _notices(runs: dict[str, Run]) -> None:
    """Say of each run that was at work when last looked at how it ended."""
    before: set[str] = st.session_state.get(_SEEN, set())
    st.session_state[_SEEN] = {r.run_id for r in runs.values() if r.status.is_at_work}
    for run_id in sorted(before & runs.keys()):
        if runs[run_id].status.state in _ENDS:
            words, icon = _ENDS[runs[run_id].status.state]
            st.toast(f"{md(run_id)} {words}", icon=icon, duration="long")
