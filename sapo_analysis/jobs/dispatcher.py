"""Works off the queue of a runs folder: `python -m sapo_analysis.jobs.dispatcher RUNS_DIR`.

Started by `jobs.launch` and `jobs.resume`, in a session of its own; there is one per folder, and it
ends when the queue is empty. It starts one worker per device and writes down how each one ended;
a failure does not keep the next run from its turn. Workers have sessions of their own and outlive
it: the next dispatcher finds them in the queue.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, RunError, SapoError, WorkError
from sapo_analysis.jobs.asking import probe
from sapo_analysis.jobs.foreground import KILLED, worker_command
from sapo_analysis.jobs.queue import (
    LOCK,
    Job,
    jobs_in,
    mark_started,
    mark_waiting,
    take_out,
)
from sapo_analysis.model_files import MODELS_DIR
from sapo_analysis.store import layout, mark_failed, open_run
from sapo_analysis.store.device_lock import BUSY_STATUS, DEVICES, is_free
from sapo_analysis.store.process import lives

LOOK_SECONDS = 0.5
_ASKING_SECONDS = 60.0
"""Nobody looks after the queue while the engine is asked for its device."""
MOST_STARTS = 5
"""A worker that ends so often before it has begun its run will not do better."""


def main(runs_dir: Path) -> None:
    """Work the queue off, unless somebody else is doing that."""
    lock = FileLock(runs_dir / LOCK)
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            Dispatcher(runs_dir).work_off()
        finally:
            lock.release()
        # A run queued just then saw this process at work; it must not wait for the next start.
        if not _left(runs_dir):
            return


def _left(runs_dir: Path) -> list[Job]:
    while True:
        try:
            return jobs_in(runs_dir)
        except WorkError as error:
            _say(str(error))  # held by another process: that passes
            time.sleep(LOOK_SECONDS)


@dataclass
class Dispatcher:
    """One pass over a queue until it is empty."""

    runs_dir: Path
    _workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Workers this process started, by run."""
    _devices: dict[str, str] = field(default_factory=dict)
    """What `auto` and `cuda` come to here."""

    def work_off(self) -> None:
        """Start, watch and write down, until nothing is left."""
        while jobs := _left(self.runs_dir):
            try:
                self._look(jobs)
            except (WorkError, OSError) as error:  # the file is held, the disk is full: that passes
                _say(str(error))
            time.sleep(LOOK_SECONDS)

    def _look(self, jobs: list[Job]) -> None:
        at_work = [job for job in jobs if job.pid is not None and self._goes_on(job)]
        idle = [job for job in jobs if job.pid is None]
        if idle and not at_work and all(map(is_free, DEVICES)):
            self._start(idle[0])  # whatever device it wants: asking takes longer than starting
            return
        busy = {self._device(job) for job in at_work} if idle else set()
        for job in idle:
            if (device := self._device(job)) not in busy:
                busy.add(device)  # those behind it wait, also where it cannot be started yet
                if is_free(device):
                    self._start(job)

    def _goes_on(self, job: Job) -> bool:
        """Whether a run's worker is at work; of one that ended, the queue is told."""
        name = job.path.name
        worker = self._workers.get(name)
        if worker is None:  # an earlier dispatcher's
            if lives(job.pid, job.pid_started):
                return True
            code = None
        else:
            code = worker.poll()
            if code is None:
                return True
            del self._workers[name]
        lost = code is None and _state(job) == "queued" and job.starts < MOST_STARTS
        if lost or code == BUSY_STATUS:
            mark_waiting(job.path)
        else:
            _write_down(job, code)
            take_out(job.path)
        return False

    def _start(self, job: Job) -> None:
        try:
            run = open_run(job.path)
            command = worker_command(run, job.engine, job.allow_mixed)
        except RunError as error:
            _leave_out(job, str(error))
            return
        if run.is_complete or run.status.is_at_work:
            take_out(job.path)
            return
        try:
            log = (job.path / layout.LOG).open("a", encoding="utf-8")
        except PermissionError as error:
            _leave_out(job, f"its folder cannot be written: {error.strerror}")
            return
        with log:
            worker = subprocess.Popen(
                [*command, "--queued"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=_environment(job),
                start_new_session=True,
            )
        known = False
        try:
            known = mark_started(job.path, worker.pid)
        finally:
            if not known:  # cancelled just then, or it cannot be written down
                worker.kill()
                worker.wait()
        if known:
            self._workers[job.path.name] = worker
            _say(f"{job.path.name} is worked on by process {worker.pid}")

    def _device(self, job: Job) -> str:
        try:
            asked = open_run(job.path).made_here("be run").device
        except InputError:
            return DEVICES[0]
        if asked not in DEVICES and asked not in self._devices:
            self._devices[asked] = self._best_device()
        return self._devices.get(asked, asked)

    def _best_device(self) -> str:
        try:
            return str(probe("devices", {}, _ASKING_SECONDS)["device"])
        except SapoError as error:
            _say(str(error))
            return DEVICES[0]


def _environment(job: Job) -> dict[str, str]:
    """This process's own, but for the models: those of whoever queued the run."""
    own = {name: value for name, value in os.environ.items() if name != MODELS_DIR}
    return own if job.models_dir is None else {**own, MODELS_DIR: job.models_dir}


def _state(job: Job) -> str:
    try:
        return open_run(job.path).status.state
    except RunError:
        return "damaged"


def _leave_out(job: Job, reason: str) -> None:
    """Take a run that cannot be started out of the queue; those behind it have their turn."""
    _say(f"{job.path.name} was left out: {reason}")
    with suppress(RunError, PermissionError):
        mark_failed(job.path, reason)
    take_out(job.path)


def _write_down(job: Job, code: int | None) -> None:
    """Say in a run's status why its worker is gone, where the worker could not."""
    _say(f"{job.path.name} ended with {code}: {_state(job)}")
    if code == -signal.SIGKILL and _state(job) in ("queued", "interrupted"):
        mark_failed(job.path, KILLED)
    elif _state(job) == "queued":
        lines = (job.path / layout.LOG).read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "without a word")
        mark_failed(job.path, f"its worker ended before it began: {last.strip()}")


def _say(text: str) -> None:
    with suppress(OSError):  # a full disk takes no log either
        print(f"{layout.now()} {text}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
