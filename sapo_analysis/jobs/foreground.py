"""A study run by whoever waits for it: its worker ends with the one who called."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.jobs.engine_process import WORKER, error_in, require_engine
from sapo_analysis.jobs.queue import take_out
from sapo_analysis.plan import EngineName, anchored, plan_of
from sapo_analysis.reuse import Reuse
from sapo_analysis.spec import AnyStudy
from sapo_analysis.store import (
    Conditions,
    Run,
    create_run,
    discard_unstarted,
    layout,
    mark_failed,
    open_run,
    refuse_if_read_only,
)
from sapo_analysis.store.access import writing_into
from sapo_analysis.store.status import Status

Progress = Callable[[Path, Status], None]
"""Told the run's folder and where it stands."""
POLL_SECONDS = 0.5
KILLED = "its process was killed, as systems do that run out of memory"


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped, by Ctrl-C or `sapo cancel`: what was finished is saved.

    `path` can be resumed.
    """

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.path = path


def run_study(
    study: AnyStudy,
    runs_dir: Path,
    progress: Progress | None = None,
    engine: EngineName = "stacked",
    reuse: Reuse | None = None,
    threads: int | None = None,
    trust_remote_code: bool = False,
) -> Path:
    """Run a study to its end in a foreground worker process; returns the run folder.

    `reuse` are finished trials of other runs, found for the plan of this study and engine; they are
    in the new run from its first moment. `threads`: CPU threads to work with; default: as torch
    chooses, or as the trials taken over were made. `trust_remote_code`: code that the model's
    author put beside it may run.

    Raises:
        InputError: the study cannot be run (names, sizes), the trials taken over were made on
            another device, or the folder cannot be written; nothing was written.
        WorkError: the worker failed; finished trials are safe and the log is named.
    """
    require_engine()
    study = anchored(study)
    plan = plan_of(study, engine)  # every name is resolved before anything is written
    is_new = not runs_dir.exists()
    conditions = reuse.conditions if reuse is not None else Conditions(threads=threads)
    conditions = conditions.model_copy(update={"trust_remote_code": trust_remote_code})
    tables = reuse.tables if reuse is not None else None
    path = create_run(runs_dir, study, conditions, tables, total=len(plan.units))
    if progress is not None:
        taken_over = len(reuse.trial_ids) if reuse is not None else 0
        progress(path, Status(done=taken_over, total=len(plan.units)))
    try:
        return continue_run(path, progress, engine)
    except InputError:
        discard_unstarted(path)
        if is_new:
            with contextlib.suppress(OSError):  # not empty: another run has begun in it
                runs_dir.rmdir()
        raise


def continue_run(
    path: Path,
    progress: Progress | None = None,
    engine: EngineName | None = None,
    allow_mixed: bool = False,
) -> Path:
    """Work on a run folder until it is done; trials already saved are not done again.

    Without `engine`, with the one it was begun with. A run that waits in the queue is taken out.

    Raises:
        InputError: the run is damaged, is being worked on, was begun on another device or model, or
            its folder cannot be written.
        WorkError: the worker failed; the log is named.
        StudyInterrupted: Ctrl-C; the worker has stopped and can be continued.
    """
    require_engine()
    refuse_if_read_only("no run can be worked on here")
    run = open_run(path)
    run.made_here("be resumed")
    if run.status.is_at_work:
        raise InputError(
            f"Run {run.run_id} is being worked on by process {run.status.pid}."
            f" Wait for it, or stop it first: sapo cancel {path}"
        )
    command = worker_command(run, engine, allow_mixed)
    take_out(path)
    log = path / layout.LOG
    with writing_into(path):
        file = log.open("a", encoding="utf-8")
    with file:
        # In a session of its own: a Ctrl-C reaches this process alone, which then stops the worker.
        worker = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True
        )
    with worker:
        try:
            _follow(worker, path, progress)
        except KeyboardInterrupt:
            # The worker marks the run as interrupted; what it saved stays.
            worker.send_signal(signal.SIGTERM)
            _wait_through_interrupts(worker)
            raise StudyInterrupted(path) from None
        assert worker.stdout is not None
        answer = worker.stdout.read()
    if worker.returncode == 2:
        raise InputError(error_in(answer) or f"The run cannot be continued. The log: {log}")
    if worker.returncode != 0 and not open_run(path).is_complete:
        raise _ended(path, worker.returncode)
    return path


def worker_command(run: Run, engine: EngineName | None, allow_mixed: bool) -> list[str]:
    """How the worker of a run is started; without `engine`, with the one it was begun with.

    Raises:
        RunError: its provenance or conditions are damaged.
    """
    choice = engine or run.provenance.get("engine") or run.conditions.engine or "stacked"
    command = [*WORKER, "study", str(run.path), choice]
    return [*command, "--allow-mixed"] if allow_mixed else command


def _ended(path: Path, returncode: int) -> StudyInterrupted | WorkError:
    """What to raise of a worker that ended otherwise than well; a killed one is written down."""
    status = open_run(path).status
    if status.state == "cancelled":
        return StudyInterrupted(path)
    reason = status.error
    if reason is None and returncode == -signal.SIGKILL:
        reason = KILLED
        mark_failed(path, reason)
    return WorkError(
        f"Run {path.name} stopped: {reason or 'its process ended without a word'}."
        f" Finished trials are safe. The log: {path / layout.LOG}."
        f" Continue with: sapo resume {path}"
    )


def _wait_through_interrupts(worker: subprocess.Popen[str]) -> None:
    """A second Ctrl-C must not cut off the word on how to continue."""
    while True:
        try:
            worker.wait()
            return
        except KeyboardInterrupt:
            continue


def _follow(worker: subprocess.Popen[str], path: Path, progress: Progress | None) -> None:
    while worker.poll() is None:
        if progress is not None:
            progress(path, open_run(path).status)
        time.sleep(POLL_SECONDS)
    if progress is not None:
        progress(path, open_run(path).status)
