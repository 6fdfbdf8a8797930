"""Work that goes on by itself: a study is queued, and a dispatcher starts its worker in turn."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sapo_analysis.errors import InputError, RunError, SapoError
from sapo_analysis.jobs.engine_process import PYTHON, require_engine
from sapo_analysis.jobs.queue import Job, is_worked_off, jobs_in, put_in, take_out
from sapo_analysis.plan import EngineName, anchored, plan_of
from sapo_analysis.reuse import Reuse
from sapo_analysis.spec import AnyStudy
from sapo_analysis.store import (
    Conditions,
    create_run,
    discard_unstarted,
    is_read_only,
    list_runs,
    mark_queued,
    open_run,
    refuse_if_read_only,
    settle,
)
from sapo_analysis.store.access import writing_into
from sapo_analysis.store.process import lives

DISPATCHER_LOG = ".dispatcher.log"
WORKER_ENDS_WITHIN_SECONDS = 4.0
"""A worker that has marked its run as stopped unloads its model within this."""


def launch(
    study: AnyStudy,
    runs_dir: Path,
    engine: EngineName = "stacked",
    reuse: Reuse | None = None,
    trust_remote_code: bool = False,
) -> Path:
    """Make a run folder for a study and queue it; returns the folder at once.

    `trust_remote_code`: code that the model's author put beside it may run.

    Raises:
        InputError: the study cannot be run, or the folder cannot be written; nothing was written.
        WorkError: the queue is held by another process, or damaged; nothing was written.
    """
    require_engine()
    study = anchored(study)
    plan = plan_of(study, engine)  # every name is resolved before anything is written
    conditions, tables = (reuse.conditions, reuse.tables) if reuse is not None else (None, None)
    if trust_remote_code:
        conditions = (conditions or Conditions()).model_copy(update={"trust_remote_code": True})
    path = create_run(runs_dir, study, conditions, tables, total=len(plan.units))
    try:
        put_in(path, engine)
    except SapoError:
        discard_unstarted(path)
        raise
    start_dispatcher(runs_dir)
    return path


def resume(path: Path, engine: EngineName | None = None, allow_mixed: bool = False) -> None:
    """Queue a run that was stopped, or that was made and never queued.

    Without `engine`, it goes on with the one it was begun with. Of a run that has just stopped the
    end of its worker is waited for.

    Raises:
        InputError: it is done, at work, or in the queue already; or its folder cannot be written.
        WorkError: the queue is held by another process, or damaged.
    """
    require_engine()
    refuse_if_read_only("no run can be continued here")
    open_run(path).made_here("be resumed")
    _await_end(path)
    put_in(path, engine, allow_mixed)
    try:
        with writing_into(path):
            mark_queued(path)
    except InputError:
        take_out(path)
        raise
    start_dispatcher(path.parent)


def _await_end(path: Path) -> None:
    """Wait until a stopped run has left the queue; one that nobody watches is taken out."""
    deadline = time.monotonic() + WORKER_ENDS_WITHIN_SECONDS
    while (job := _ending(path)) is not None:
        if time.monotonic() > deadline:
            if not lives(job.pid, job.pid_started):  # and whoever watched it is gone as well
                take_out(path)
            return
        time.sleep(0.1)


def _ending(path: Path) -> Job | None:
    """The run's place in the queue, where a worker had it and it is stopped."""
    job = next((job for job in jobs_in(path.parent) if job.path.name == path.name), None)
    stopped = open_run(path).status.state in ("interrupted", "failed", "cancelled")
    return job if job is not None and job.pid is not None and stopped else None


def set_going(folders: Sequence[Path]) -> None:
    """What a server does at its start: write down which runs lost their worker, go on with queues.

    Of a folder that cannot be written nothing is changed.
    """
    if is_read_only():
        return
    for folder in folders:
        for run in list_runs([folder]):
            with contextlib.suppress(RunError, OSError):
                settle(run.path)
    keep_going(folders)


def keep_going(folders: Sequence[Path]) -> None:
    """See that somebody works the queues of these folders off, where there is anything in them.

    A dispatcher can be killed while everything else goes on. Of a folder that cannot be written
    nothing is changed.
    """
    if is_read_only():
        return
    for folder in folders:
        with contextlib.suppress(SapoError, OSError):
            if jobs_in(folder) and not is_worked_off(folder):
                start_dispatcher(folder)


def start_dispatcher(runs_dir: Path) -> None:
    """See that somebody works the queue off; a second dispatcher ends by itself."""
    with (runs_dir / DISPATCHER_LOG).open("a", encoding="utf-8") as log:
        started = subprocess.Popen(
            [*PYTHON, "sapo_analysis.jobs.dispatcher", str(runs_dir.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # In a session of its own: it outlives the page, the terminal and the server.
            start_new_session=True,
        )
    # Somebody has to take note of its end, or a server of weeks gathers dead processes.
    threading.Thread(target=started.wait, daemon=True).start()
