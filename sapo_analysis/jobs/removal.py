"""Deleting a run that nobody works on and that does not wait."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.jobs.queue import jobs_in
from sapo_analysis.store import refuse_if_read_only
from sapo_analysis.store.deleting import delete_run


def remove_run(path: Path) -> None:
    """Delete a run folder for good; see `store.deleting.delete_run`.

    Raises:
        InputError: it waits in the queue or is being worked on, is a shipped one or no run folder;
            or this server is read-only.
        WorkError: the queue is held by another process, or damaged.
    """
    refuse_if_read_only("no run is deleted here")
    if any(job.path.name == path.name for job in jobs_in(path.parent)):
        raise InputError(
            f"Run {path.name} waits in the queue. Cancel it first, then it can be deleted."
        )
    delete_run(path)
