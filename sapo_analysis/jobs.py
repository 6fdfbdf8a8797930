"""Starting work: a run's worker in its own process, and short questions to the engine.

Never trains, never imports torch. The reading wing meets the engine here and nowhere else: it
starts `python -m sapo_analysis.worker` and reads what that process wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.plan import EngineName, plan_of
from sapo_analysis.reuse import Reuse
from sapo_analysis.spec import AnyStudy
from sapo_analysis.store import (
    Conditions,
    ask_to_end,
    create_run,
    discard_unstarted,
    layout,
    mark_failed,
    open_run,
)
from sapo_analysis.store.status import Status

Progress = Callable[[Path, Status], None]
"""Told the run's folder and where it stands."""
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""A worker saves what it has and ends within this, or is killed."""
_LOOK_SECONDS = 0.1
_AT_WORK = ("running", "stalled")
ENGINE_PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets")
INSTALL_ENGINE = (
    "pip install 'sapo-analysis[train]'"
    "  (in a clone: pip install -e '.[train]' --constraint constraints.txt)"
)


# -P: a folder of this package's name where a command is given is not this package.
_WORKER = (sys.executable, "-P", "-m", "sapo_analysis.worker")


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped, by Ctrl-C or `sapo cancel`: what was finished is saved.

    `path` can be resumed.
    """

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.path = path


def missing_engine_packages() -> list[str]:
    """Packages of the extra `train` that are not installed; found without importing any."""
    return [name for name in ENGINE_PACKAGES if find_spec(name) is None]


def _require_engine() -> None:
    if missing := missing_engine_packages():
        raise InputError(
            f"This needs the training half, and {', '.join(missing)} cannot be found."
            f" Install it with: {INSTALL_ENGINE}"
        )


def run_study(
    study: AnyStudy,
    runs_dir: Path,
    progress: Progress | None = None,
    engine: EngineName = "stacked",
    reuse: Reuse | None = None,
    threads: int | None = None,
) -> Path:
    """Run a study to its end in a foreground worker process; returns the run folder.

    `reuse` are finished trials of other runs, found for the plan of this study and engine; they are
    in the new run from its first moment. `threads`: CPU threads to work with; default: as torch
    chooses, or as the trials taken over were made.

    Raises:
        InputError: the study cannot be run (names, sizes), the trials taken over were made on
            another device, or the folder cannot be written; nothing was written.
        WorkError: the worker failed; finished trials are safe and the log is named.
    """
    _require_engine()
    plan = plan_of(study, engine)  # every name is resolved before anything is written
    is_new = not runs_dir.exists()
    conditions = reuse.conditions if reuse is not None else Conditions(threads=threads)
    path = create_run(runs_dir, study, conditions, reuse.tables if reuse is not None else None)
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

    Without `engine`, with the one it was begun with.

    Raises:
        InputError: the run is damaged, is being worked on, or was begun on another device or model.
        WorkError: the worker failed; the log is named.
        StudyInterrupted: Ctrl-C; the worker has stopped and can be continued.
    """
    _require_engine()
    run = open_run(path)
    if run.status.state in _AT_WORK:
        raise InputError(
            f"Run {run.run_id} is being worked on by process {run.status.pid}."
            f" Wait for it, or stop it first: sapo cancel {path}"
        )
    choice = engine or run.provenance.get("engine") or run.conditions.engine or "stacked"
    command = [*_WORKER, "study", str(path), choice]
    if allow_mixed:
        command.append("--allow-mixed")
    log = path / layout.LOG
    with log.open("a", encoding="utf-8") as file:
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
        raise InputError(_error_in(answer) or f"The run cannot be continued. The log: {log}")
    if worker.returncode != 0:
        raise _ended(path, worker.returncode)
    return path


def cancel_run(path: Path, patience: float = PATIENCE_SECONDS) -> Status:
    """Stop whoever works on a run; what is finished stays, and it can be resumed.

    The run is marked, then the worker's processes are asked to end; those that have not after
    `patience` seconds are killed. Returns where the run stands then.

    Raises:
        InputError: nobody works on the run.
    """
    run = open_run(path)
    if run.status.state not in _AT_WORK:
        raise InputError(
            f"Run {run.run_id} is {run.status.state}: nobody works on it."
            f" {run.status.next_step or 'There is nothing to cancel.'}"
        )
    assert run.status.pid is not None, "a run at work has a process"
    ask_to_end(path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(run.status.pid, number)
        deadline = time.monotonic() + patience
        while open_run(path).status.state in _AT_WORK and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
    return open_run(path).status


def _signal(pid: int, number: signal.Signals) -> None:
    """Signal a worker and what it started: it leads a group of its own, if `jobs` started it."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _ended(path: Path, returncode: int) -> StudyInterrupted | WorkError:
    """What to raise of a worker that ended otherwise than well; a killed one is written down."""
    status = open_run(path).status
    if status.state == "cancelled":
        return StudyInterrupted(path)
    reason = status.error
    if reason is None and returncode == -signal.SIGKILL:
        reason = "its process was killed, as systems do that run out of memory"
        mark_failed(path, reason)
    return WorkError(
        f"Run {path.name} stopped: {reason or 'its process ended without a word'}."
        f" Finished trials are safe. The log: {path / layout.LOG}."
        f" Continue with: sapo resume {path}"
    )


def probe(
    kind: str, payload: Mapping[str, Any], timeout: float = 600, echo: bool = False
) -> dict[str, Any]:
    """Ask the engine a question in a process of its own.

    `kind` is one of those that `sapo_analysis.worker` lists. With `echo` its progress lines go to
    this process's standard error as they come.

    Raises:
        InputError: the engine refused the payload.
        WorkError: it failed or took longer than `timeout` seconds.
    """
    _require_engine()
    command = [*_WORKER, kind]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(payload),
            stdout=subprocess.PIPE,
            stderr=None if echo else subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise WorkError(
            f"The engine did not answer {kind!r} within {timeout:.0f} s."
            " Ask for less, or try again."
        ) from None
    if done.returncode == 2:
        raise InputError(_error_in(done.stdout) or "The engine refused the question.")
    if done.returncode != 0:
        last = (done.stderr or "").strip().splitlines()[-1:] or ["no message"]
        raise WorkError(f"The engine failed at {kind!r}: {_error_in(done.stdout) or last[0]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


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


def _error_in(output: str) -> str | None:
    try:
        message = json.loads(output.splitlines()[-1])["error"]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return str(message)
