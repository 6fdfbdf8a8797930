"""What can be done with a run in its state: a sentence, and the buttons that go with it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sapo_analysis import jobs
from sapo_analysis.analysis.wording import about, counted, duration, size
from sapo_analysis.app.components import links
from sapo_analysis.app.components.acting import act
from sapo_analysis.app.components.run_state import counts, of_all, silent_for
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import all_runs
from sapo_analysis.errors import SapoError
from sapo_analysis.store import DamagedRun, Run, is_read_only, is_shipped
from sapo_analysis.store.archive import pack, packed_bytes
from sapo_analysis.store.device_lock import DEVICES, holder_of
from sapo_analysis.store.logs import LOGS, tail
from sapo_analysis.store.requests import is_asked_to_end

STOPPED = ("interrupted", "failed", "cancelled")
READ_ONLY = "This server is read-only: nothing can be started or stopped here."


def state_and_buttons(run: Run) -> None:
    """The sentence of the run's state and everything that can be done about it."""
    state = run.status.state
    place = _place(run.path) if state == "queued" else None
    _sentence(run, place)
    with st.container(horizontal=True, vertical_alignment="center", key="live-buttons"):
        if not is_read_only():
            if run.status.is_at_work:
                _stop_buttons(run)
            elif state == "queued":
                _queue_buttons(run, place)
            elif state in STOPPED:
                resume(run)
        if state == "done":
            links.results_of([run], "Open results", ":material/insights:", "What it found.")
            links.figures_of([run], "Export")
            extend(run)
            download(run)
        elif run.status.done:
            links.results_of(
                [run], "Partial results", ":material/insights:", "What is finished; no verdict yet."
            )
        log(run.path)
    if is_read_only() and state != "done":
        st.caption(READ_ONLY)


def _sentence(run: Run, place: jobs.Waiting | str | None) -> None:
    status = run.status
    if status.state == "queued":
        st.info(md(_queued(run, place)), icon=":material/schedule:")
    elif status.state == "stalled":
        silent = duration(silent_for(status) or 0)
        st.warning(
            f"No sign of life for {silent}. It may be at a long step, or hang: cancel it, then"
            " resume it. What is finished is safe.",
            icon=":material/hourglass_disabled:",
        )
    elif status.state == "interrupted":
        st.warning(
            f"Its process is gone. {_safe(run)}",
            icon=":material/pause_circle:",
        )
    elif status.state == "failed":
        reason = (status.error or "no reason is known; see the log").rstrip(".")
        st.error(f"It failed: {md(reason)}. {_safe(run)}", icon=":material/error:")
    elif status.state == "cancelled":
        st.info(f"It was cancelled. {_safe(run)}", icon=":material/cancel:")
    elif status.state == "running" and is_asked_to_end(run.path):
        st.info("It ends when the group in flight is saved.", icon=":material/pending:")


def _safe(run: Run) -> str:
    done, total = run.status.done, run.status.total
    if not done:
        return "Nothing was finished yet, so nothing is lost."
    verb = "is" if done == 1 else "are"
    return f"{done:,} of {counted(total, counts(run)[:-1])} {verb} safe."


def _place(path: Path) -> jobs.Waiting | str | None:
    """The run's place in the queue; a text where the queue cannot be read; None: not in it."""
    try:
        return next((w for w in jobs.waiting(path.parent) if w.path.name == path.name), None)
    except SapoError as error:
        return str(error)


def _queued(run: Run, place: jobs.Waiting | str | None) -> str:
    if isinstance(place, str):
        return place
    if place is None:
        return (
            "It is not in the queue: nobody will start it from here. If it was begun in a"
            " terminal just now, it starts in a moment."
        )
    if place.is_starting:
        return "Its worker is getting ready: loading the model, checking every text."
    if not place.ahead:
        return f"It is the next one.{_elsewhere(run)}"
    device = {"cpu": " on CPU", "cuda": " on the GPU"}.get(getattr(run.study, "device", ""), "")
    named = "".join(f" {words}." for words in map(_at_work, _at_work_beside(run)))
    return f"{place.ahead} ahead{device}.{named}"


def _at_work_beside(run: Run) -> list[Run]:
    """The runs of the same queue that are at work."""
    return [
        other
        for other in all_runs().values()
        if isinstance(other, Run)
        and other.path.parent == run.path.parent
        and other.status.is_at_work
    ]


def _at_work(run: Run) -> str:
    left = run.status.seconds_left
    rest = "its end is not known yet" if left is None else f"about {about(left)} left"
    return f"{run.run_id} is at work, {rest}"


def _elsewhere(run: Run) -> str:
    """What holds the device, where nothing of this queue does."""
    device = getattr(run.study, "device", "cpu")
    holders = [holder_of(name) for name in (DEVICES if device == "auto" else (device,))]
    named = [path.name for path in holders if path is not None and path != run.path]
    return f" The device is at work on {named[0]}, of another queue or terminal." if named else ""


def _stop_buttons(run: Run) -> None:
    asked = is_asked_to_end(run.path)
    st.button(
        "Finish this group and stop",
        key="finish",
        icon=":material/stop_circle:",
        help="The group in flight is saved, then it stops. It can be resumed.",
        disabled=asked or run.status.state == "stalled",
        on_click=act(
            jobs.finish_group, run.path, said="It will stop when the group in flight is saved."
        ),
    )
    cancel(run)


def cancel(run: Run, label: str = "Cancel now…") -> None:
    """Ask, then stop a run at once."""
    waits = run.status.state == "queued"
    with st.popover(
        label, key=f"ask-cancel-{run.run_id}", icon=":material/cancel:", help="Asks once more."
    ):
        if waits:
            st.markdown("It is taken out of the queue. It can be resumed later.")
        else:
            st.markdown(f"{md(of_all(run))} are finished and safe; the group in flight is lost.")
        st.button(
            "Take it out of the queue" if waits else "Cancel the run",
            key=f"cancel-{run.run_id}",
            type="primary",
            help="Stops at once; a worker that does not answer is killed after 10 s.",
            on_click=act(jobs.cancel_run, run.path, said=f"Run {run.run_id} is cancelled."),
        )


def _queue_buttons(run: Run, place: jobs.Waiting | str | None) -> None:
    if place is None:
        st.button(
            "Queue it",
            key="queue",
            type="primary",
            icon=":material/playlist_add:",
            help="It starts when its device is free.",
            on_click=act(jobs.resume, run.path, said=f"Run {run.run_id} is in the queue."),
        )
    elif isinstance(place, jobs.Waiting):
        if not place.is_next:
            st.button(
                "Run next",
                key="next",
                icon=":material/vertical_align_top:",
                help="Before the others that wait. What is at work is not stopped.",
                on_click=act(jobs.move_first, run.path, said=f"Run {run.run_id} comes next."),
            )
        cancel(run)


def resume(run: Run) -> None:
    """Continue a stopped run."""
    if is_shipped(run.path):
        return
    left = run.status.total - run.status.done
    st.button(
        f"Resume {left:,}" if left > 0 else "Resume",
        key=f"resume-{run.run_id}",
        type="primary",
        icon=":material/play_arrow:",
        help=f"Queue it again: {left:,} {counts(run)} are left. Finished ones are not done again."
        if left > 0
        else "Queue it again.",
        on_click=act(jobs.resume, run.path, said=f"Run {run.run_id} is in the queue again."),
    )
    if run.status.state == "failed":
        links.link(
            "launch",
            "Resume smaller",
            ":material/compress:",
            "The same study with less at once, filled into the form.",
            **{"from": run.run_id, "smaller": "1"},
        )


def extend(run: Run) -> None:
    """Fill the launch form in with this study, to add to it."""
    if not run.is_imported:
        what = (
            "add orders: runs of one study in different orders are read as one. Stages of a"
            " sequence cannot be taken over."
            if run.study.kind == "sequence"
            else "add tasks, prompts or seeds; finished trials are reused."
        )
        links.link(
            "launch",
            "Extend",
            ":material/add_circle:",
            f"The launch form filled in: {what}",
            **{"from": run.run_id, "extend": "1"},
        )


def open_results(runs: list[Run], label: str) -> None:
    """A link to the page of the runs' kind."""
    links.results_of(runs, label, ":material/insights:", "The page for runs of this kind.")


def is_waiting(run: Run) -> bool:
    """Whether a run waits in the queue, or its worker is getting ready."""
    return run.status.state == "queued" and isinstance(_place(run.path), jobs.Waiting)


def download(run: Run | DamagedRun, label: str = "Download") -> None:
    """The run folder as a ZIP, packed on the click."""
    n_bytes = packed_bytes(run.path)
    st.download_button(
        md(f"{label} ({size(n_bytes)})"),
        data=lambda: packed(run.path),
        file_name=f"{run.run_id}.zip",
        mime="application/zip",
        key=f"download-{run.run_id}",
        icon=":material/download:",
        help="The run folder as a ZIP, at most this large: tables, spec, provenance and logs,"
        " without weights. Unpack it into another runs folder.",
        on_click="ignore",
    )


def packed(path: Path) -> bytes:
    """The ZIP of a run."""
    # On the disk, not in memory: only the finished archive is read.
    import tempfile

    with tempfile.TemporaryFile() as file:
        pack(path, file)
        file.seek(0)
        return file.read()


def log(path: Path) -> None:
    """The last lines of the worker's log and of the events, as text."""
    with st.popover("Log", icon=":material/article:", help="Last lines.", key=f"log-{path.name}"):
        for name in LOGS:
            st.caption(f"{name}, last lines")
            st.code(tail(path, name) or "(empty)", language=None, wrap_lines=True)
