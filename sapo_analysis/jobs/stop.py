"""Stopping a run from anywhere: at once, or when the group in flight is saved."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.jobs.queue import jobs_in, take_out
from sapo_analysis.store import (
    ask_to_end,
    ask_to_finish_group,
    mark_cancelled,
    open_run,
    refuse_if_read_only,
)
from sapo_analysis.store.access import writing_into
from sapo_analysis.store.process import lives
from sapo_analysis.store.status import Status

PATIENCE_SECONDS = 10.0
"""A worker saves what it has and ends within this, or is killed."""
_LOOK_SECONDS = 0.1


def cancel_run(path: Path, patience: float = PATIENCE_SECONDS) -> Status:
    """Stop whoever works on a run, or take it out of the queue; what is finished stays.

    The run is marked, then the worker's processes are asked to end; those that have not after
    `patience` seconds are killed. Returns where the run stands then; it can be resumed.

    A run begun on another machine that gives no sign of life, as a folder does that was copied
    while it was at work, is marked alone.

    Raises:
        InputError: nobody works on the run and it does not wait; or another machine does; or it is
            another user's.
    """
    refuse_if_read_only("no run can be stopped here")
    status = open_run(path).status
    with writing_into(path):
        if not status.is_at_work:
            return _cancel_waiting(path, status, patience)
        if status.is_elsewhere:
            return _cancel_elsewhere(path, status)
        ask_to_end(path)
        _end(status.pid, status.pid_started, patience)
        return open_run(path).status


def finish_group(path: Path) -> None:
    """Ask a run to end as soon as the group in flight is saved; then it can be resumed.

    Raises:
        InputError: nobody works on the run.
    """
    refuse_if_read_only("no run can be stopped here")
    run = open_run(path)
    if not run.status.is_at_work:
        raise InputError(_nobody(path, run.status, f"If it waits: sapo cancel {path}"))
    with writing_into(path):
        ask_to_finish_group(path)


def _cancel_elsewhere(path: Path, status: Status) -> Status:
    if status.state != "stalled":
        raise InputError(
            f"Run {path.name} is being worked on by the machine {status.host}. Cancel it there; or"
            f" let it end after the group in flight: sapo cancel {path} --after-group"
        )
    ask_to_end(path)  # should it be alive all the same, it ends at its next group
    mark_cancelled(path)
    return open_run(path).status


def _cancel_waiting(path: Path, status: Status, patience: float) -> Status:
    job = next((job for job in jobs_in(path.parent) if job.path.name == path.name), None)
    if job is None or status.state == "done":
        how = f"It is not in the queue; queue it with: sapo resume {path} --detach"
        raise InputError(_nobody(path, status, how))
    take_out(path)  # first: nobody starts it again
    if job.pid is not None:  # its worker is getting ready
        _end(job.pid, job.pid_started, patience)
    if open_run(path).status.state != "done":
        mark_cancelled(path)
    return open_run(path).status


def _nobody(path: Path, status: Status, if_queued: str) -> str:
    else_ = if_queued if status.state == "queued" else "There is nothing to cancel."
    return f"Run {path.name} is {status.state}: nobody works on it. {status.next_step or else_}"


def _end(pid: int | None, started: float | None, patience: float) -> None:
    """Ask a worker to end, then make it end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience
        if pid is not None and lives(pid, started):
            _signal(pid, number)
        while lives(pid, started) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)


def _signal(pid: int, number: signal.Signals) -> None:
    """Signal a worker and what it started: it leads a group of its own, if `jobs` started it."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise InputError(
            f"Process {pid} is another user's: only they can stop it. `--after-group` asks it to"
            " end when the group in flight is saved."
        ) from error
