"""Writing a run's status from outside, where its worker cannot: it waits, or it is gone.

Each change is made under the run's lock: whoever works on the run holds it and has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.reader import open_run
from sapo_analysis.store.requests import forget_requests
from sapo_analysis.store.status import State, Status, how_to_resume
from sapo_analysis.store.writer import tidy

GONE_WITHIN_SECONDS = 3.0
"""The main thread of a killed worker is gone before the others have let go of its files."""


def mark_failed(path: Path, reason: str) -> None:
    """Write down why a run's worker is gone, which could not do so itself.

    A run that is done, or that another worker has, stays as it is.
    """
    with _unless_worked_on(path) as status:
        if status is not None and status.state != "done":
            _write(path, status, "failed", error=reason, next_step=how_to_resume(path))


def mark_cancelled(path: Path) -> None:
    """Write down that a run is not to be worked on; one that is done or at work stays as it is."""
    with _unless_worked_on(path) as status:
        if status is not None and status.state != "done":
            _write(path, status, "cancelled", next_step=how_to_resume(path))


def mark_queued(path: Path) -> None:
    """Write down that a stopped run waits for its turn again.

    Raises:
        InputError: it is done, or being worked on.
    """
    refuse_if_read_only("no run can be continued here")
    with _unless_worked_on(path) as status:
        if status is None or status.state == "done" or status.is_at_work:
            state = "running" if status is None else status.state
            raise InputError(
                f"Run {path.name} is {state}: it cannot be queued."
                " Only a run that was stopped is continued."
            )
        forget_requests(path)
        _write(path, status, "queued", error=None, next_step=None)


def settle(path: Path) -> State:
    """Write down what became of a run whose worker is gone; returns how it stands.

    Later the number of its process may belong to another one. What a kill kept a done run from
    removing is removed.
    """
    if _is_settled(path):
        return open_run(path).status.state
    with _unless_worked_on(path) as status:
        if status is None or status.is_at_work:
            return open_run(path).status.state
        if status.state == "done":
            tidy(path)
        else:
            layout.write_model(path / layout.STATUS, status)
        return status.state


def _is_settled(path: Path) -> bool:
    """Whether its status file says how it stands, and nothing is left of the work on a done run."""
    now = open_run(path).status
    written = Status.model_validate_json((path / layout.STATUS).read_bytes())
    left = (path / layout.STATES).exists() or any(path.glob(f"{layout.TABLES}/*/part-*"))
    return now.state == written.state and not (now.state == "done" and left)


@contextmanager
def _unless_worked_on(path: Path) -> Iterator[Status | None]:
    """The run's status, which nobody changes meanwhile; None where a worker has the run."""
    # Asked before the lock, which must not bring back a folder that is gone.
    at_work = open_run(path).status.is_at_work
    try:
        with FileLock(path / layout.LOCK, timeout=0 if at_work else GONE_WITHIN_SECONDS):
            yield open_run(path).status
    except Timeout:
        yield None


def _write(path: Path, status: Status, state: State, **values: object) -> None:
    found = Status.model_validate({**status.model_dump(), "state": state, "phase": "", **values})
    layout.write_model(path / layout.STATUS, found)
