"""The top of the Live page: where a run stands, its steps, what it does now."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import streamlit as st

from sapo_analysis.analysis.progress import Progress, Step, now_in_words
from sapo_analysis.analysis.wording import about, counted, duration
from sapo_analysis.app import following
from sapo_analysis.app.components.text import md
from sapo_analysis.store import Run
from sapo_analysis.store.status import Status

LOOKS = {
    "queued": ("gray", ":material/schedule:", "It waits for its turn."),
    "running": ("blue", ":material/play_circle:", "A worker is on it."),
    "stalled": ("orange", ":material/hourglass_disabled:", "Its worker gives no sign of life."),
    "interrupted": ("orange", ":material/pause_circle:", "Its worker is gone; it can be resumed."),
    "failed": ("orange", ":material/error:", "Its worker stopped with an error."),
    "cancelled": ("gray", ":material/cancel:", "Somebody stopped it; it can be resumed."),
    "done": ("blue", ":material/check_circle:", "Everything planned is in its tables."),
    "damaged": ("orange", ":material/broken_image:", "It cannot be read."),
}
"""Colour, icon and meaning of each state; never the colour alone."""
_CHIP = (
    "display:inline-block;padding:2px 9px;margin:0 0 5px 0;border-radius:7px;white-space:nowrap;"
    "font-size:.88rem;border:1px solid rgba(138,143,152,.35);"
)
_NOW = "border:2px solid #0072B2;font-weight:600;"


def counts(run: Run) -> str:
    """`trials`, or what else the run counts."""
    return "stages" if run.is_sequence else "trials"


def of_all(run: Run) -> str:
    """How much is finished: `74 of 219 trials`."""
    status = run.status
    if not status.total:
        return f"no {counts(run)} yet"
    return f"{status.done:,} of {counted(status.total, counts(run)[:-1])}"


def badge(state: str) -> None:
    """A state as word, icon and colour."""
    color, icon, meaning = LOOKS[state]
    st.badge(state, icon=icon, color=color, help=meaning, width="content")


def top(run: Run) -> None:
    """Name, state, how far, since when, until when."""
    status = run.status
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {md(run.run_id)}", width="content")
        badge(status.state)
    parts = [of_all(run)]
    if status.seconds:
        took = duration(status.seconds)
        parts.append(f"took {took}" if run.is_complete else f"{took} so far")
    if status.is_at_work and (left := status.seconds_left) is not None:
        parts.append(f"about {about(left)} left")
    if device := run.provenance.get("device"):
        parts.append(str(device))
    if status.is_at_work and (age := silent_for(status)) is not None:
        parts.append(f"last sign of life {duration(age)} ago" if age >= 1 else "alive just now")
    st.caption(md(" · ".join(parts)))
    if status.total:
        st.progress(min(1.0, status.done / status.total))


def silent_for(status: Status) -> float | None:
    """Seconds since the worker's last heartbeat."""
    if status.heartbeat is None:
        return None
    beat = datetime.fromisoformat(status.heartbeat)
    return max(0.0, (datetime.now(UTC) - beat).total_seconds())


def steps_line(progress: Progress | None) -> None:
    """The parts of the plan: done, now, to come."""
    if progress is None:
        st.caption("Its model or tasks are not here, so its steps are not known here.")
        return
    arrow = ' <span aria-hidden="true" style="opacity:.5">→</span> '
    chips = arrow.join(map(_chip, progress.steps))
    st.html(f'<div style="line-height:1.9" role="list" aria-label="Steps">{chips}</div>')


def _chip(step: Step) -> str:
    if step.is_done:
        mark, word = "✓", "done"
    elif step.is_now:
        mark, word = "●", "now"
    else:
        mark, word = ("◐", "partly done") if step.done else ("○", "to come")
    n = "" if step.total == 1 else f" {step.done:,}/{step.total:,}"
    style = _CHIP + (_NOW if step.is_now else "" if step.done else "opacity:.65;")
    title = html.escape(f"{step.label}: {word}", quote=True)
    text = html.escape(f"{mark} {step.label}{n}")
    return f'<span role="listitem" style="{style}" title="{title}">{text}</span>'


def now_line(run: Run, progress: Progress | None) -> None:
    """What the run does at this moment."""
    told = following.heard(run)
    words = now_in_words(run.status, told.candidates, told.original, told.last_choice)
    if words:
        group = f" Group {progress.group} of {progress.n_groups}." if progress else ""
        st.markdown(f"**Now** {md(words)}{md(group)}")
