"""Writing a run's status from outside, where its worker cannot: it waits, or it is gone."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.reader import open_run
from sapo_analysis.store.requests import forget_requests
from sapo_analysis.store.status import State, Status, how_to_resume


def mark_failed(path: Path, reason: str) -> None:
    """Write down why a run's worker is gone, which could not do so itself."""
    _mark(path, "failed", error=reason, next_step=how_to_resume(path))


def mark_cancelled(path: Path) -> None:
    """Write down that a run which nobody works on is not to be worked on."""
    _mark(path, "cancelled", next_step=how_to_resume(path))


def mark_queued(path: Path) -> None:
    """Write down that a stopped run waits for its turn again.

    Raises:
        InputError: it is done, or being worked on.
    """
    refuse_if_read_only("no run can be continued here")
    status = open_run(path).status
    if status.state == "done" or status.is_at_work:
        raise InputError(
            f"Run {path.name} is {status.state}: it cannot be queued."
            " Only a run that was stopped is continued."
        )
    forget_requests(path)
    _mark(path, "queued", error=None, next_step=None)


def settle(path: Path) -> State:
    """Write down what became of a run whose worker is gone; returns how it stands.

    Later the number of its process may belong to another one.
    """
    now = open_run(path).status
    written = Status.model_validate_json((path / layout.STATUS).read_bytes())
    if now.state != written.state and not now.is_at_work:
        layout.write_model(path / layout.STATUS, now)
    return now.state


def _mark(path: Path, state: State, **values: object) -> None:
    status = open_run(path).status.model_dump()
    found = Status.model_validate({**status, "state": state, "phase": "", **values})
    layout.write_model(path / layout.STATUS, found)
