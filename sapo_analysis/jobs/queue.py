"""The queue of a runs folder: which runs wait for their turn, in which order.

A SQLite file in the runs folder (write-ahead log: reading goes on while somebody writes). It holds
order and nothing else: what a run is and where it stands is in its own folder, so a lost queue
loses no run. A row is there from the moment a run is queued until its worker has ended.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, RunError, WorkError, unknown
from sapo_analysis.model_files import MODELS_DIR
from sapo_analysis.plan import EngineName, as_engine
from sapo_analysis.store import layout, open_run, refuse_if_read_only
from sapo_analysis.store.process import start_of

FILE = ".queue.sqlite"
LOCK = ".dispatcher.lock"
"""Held by whoever works the queue off."""
_BUSY_SECONDS = 5.0
_SCHEMA = """
create table if not exists jobs (
    run text primary key,        -- the run folder's name
    place real not null,         -- lowest first
    engine text,                 -- null: as the run was begun
    allow_mixed integer not null,
    models_dir text,             -- in which the study's model may be named; null: in none
    pid integer,                 -- of the worker; null: it waits
    pid_started real,
    starts integer not null default 0,
    added text not null
)
"""


@dataclass(frozen=True)
class Job:
    """A run in the queue; `pid` is its worker's, None while it waits. `starts`: workers so far.

    `models_dir` is the folder of models of whoever queued it; the dispatcher may have another one.
    """

    path: Path
    engine: EngineName | None
    allow_mixed: bool
    models_dir: str | None
    pid: int | None
    pid_started: float | None
    starts: int


@dataclass(frozen=True)
class Waiting:
    """A run that waits; `ahead` counts the runs of its queue that come before it or are at work.

    One that `is_starting` has a worker that is getting ready; nothing but what is at work comes
    before one that `is_next`.
    """

    path: Path
    ahead: int
    is_starting: bool
    is_next: bool


def waiting(runs_dir: Path) -> list[Waiting]:
    """The runs that wait in a runs folder, the next one first.

    Raises:
        WorkError: the queue is held by another process, or damaged.
    """
    jobs = jobs_in(runs_dir)
    at_work = {job.path for job in jobs if job.pid is not None and not _is_queued(job.path)}
    idle = [job for job in jobs if job.path not in at_work]
    idle.sort(key=lambda job: job.pid is None)
    return [
        Waiting(job.path, len(at_work) + i, is_starting=job.pid is not None, is_next=i == 0)
        for i, job in enumerate(idle)
    ]


def _is_queued(path: Path) -> bool:
    try:
        return open_run(path).status.state == "queued"
    except RunError:
        return False


def ahead_of(path: Path) -> int | None:
    """How many runs come before a run that waits; None where it does not wait."""
    found = (w.ahead for w in waiting(path.parent) if w.path.name == path.name)
    return next(found, None)


def move_first(path: Path) -> None:
    """Let a run that waits be the next one.

    Raises:
        InputError: it does not wait; those that do are named.
    """
    refuse_if_read_only("no queue is changed here")
    with _opened(path.parent) as db:
        (first,) = db.execute("select min(place) from jobs").fetchone()
        changed = db.execute(
            "update jobs set place = ? where run = ? and pid is null",
            ((first or 0) - 1, path.name),
        ).rowcount
    if not changed:
        known = [job.path.name for job in jobs_in(path.parent) if job.pid is None]
        raise unknown("run in the queue", path.name, known or ["none, nothing waits"])


def put_in(path: Path, engine: EngineName | None = None, allow_mixed: bool = False) -> None:
    """Queue a run as the last one of its runs folder.

    Raises:
        InputError: it is in the queue already.
    """
    with _opened(path.parent) as db:
        (last,) = db.execute("select max(place) from jobs").fetchone()
        try:
            db.execute(
                "insert into jobs (run, place, engine, allow_mixed, models_dir, added)"
                " values (?, ?, ?, ?, ?, ?)",
                (
                    *(path.name, (last or 0) + 1, engine, allow_mixed),
                    *(os.environ.get(MODELS_DIR), layout.now()),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"Run {path.name} is in the queue already. `sapo queue` lists it."
            ) from error


def take_out(path: Path) -> bool:
    """Take a run out of the queue of its folder; whether it was in it."""
    if not _file(path.parent).is_file():
        return False
    with _opened(path.parent) as db:
        return db.execute("delete from jobs where run = ?", (path.name,)).rowcount > 0


def jobs_in(runs_dir: Path) -> list[Job]:
    """Everything in the queue of a runs folder, in order.

    Raises:
        WorkError: the queue is held by another process, or damaged.
    """
    if not _file(runs_dir).is_file():
        return []
    wanted = (
        "select run, engine, allow_mixed, models_dir, pid, pid_started, starts from jobs"
        " order by place"
    )
    if os.access(runs_dir, os.W_OK) and os.access(_file(runs_dir), os.W_OK):
        with _opened(runs_dir) as db:
            rows = db.execute(wanted).fetchall()
    else:
        with _looked_at(_file(runs_dir)) as db:
            rows = db.execute(wanted).fetchall()
    return [
        Job(runs_dir / run, as_engine(engine) if engine else None, bool(mixed), *rest)
        for run, engine, mixed, *rest in rows
    ]


def is_worked_off(runs_dir: Path) -> bool:
    """Whether somebody works the queue of a runs folder off."""
    lock = FileLock(runs_dir / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def mark_started(path: Path, pid: int) -> bool:
    """Write down that a worker has the run; false where it was taken out meanwhile."""
    with _opened(path.parent) as db:
        changed = db.execute(
            "update jobs set pid = ?, pid_started = ?, starts = starts + 1 where run = ?",
            (pid, start_of(pid), path.name),
        ).rowcount
    return changed > 0


def mark_waiting(path: Path) -> None:
    """Write down that no worker has the run."""
    with _opened(path.parent) as db:
        db.execute("update jobs set pid = null where run = ?", (path.name,))


def _file(runs_dir: Path) -> Path:
    return runs_dir / FILE


@contextmanager
def _opened(runs_dir: Path) -> Iterator[sqlite3.Connection]:
    """The queue inside a transaction, which is undone on an error."""
    file = _file(runs_dir)
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as db, db:
            _lay_out(db)
            yield db
    except sqlite3.DatabaseError as error:
        raise WorkError(_in_words(file, error)) from error


def _lay_out(db: sqlite3.Connection) -> None:
    """Make the table of a new file; several may want to at the same moment."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while db.execute("pragma user_version").fetchone() == (0,):
        try:
            db.execute("pragma journal_mode = wal")
            db.execute(_SCHEMA)
            db.execute("pragma user_version = 1")
        except sqlite3.OperationalError:  # the first of these does not wait for another process
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def _looked_at(file: Path) -> Iterator[sqlite3.Connection]:
    """The queue of a folder that cannot be written, where SQLite cannot keep its own files."""
    # Somebody else's, who is at it: then their files are there. Else nobody changes it.
    how = "mode=ro" if file.with_name(f"{file.name}-shm").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as db:
            yield db
    except sqlite3.DatabaseError as error:
        raise WorkError(_in_words(file, error)) from error


def _in_words(file: Path, error: sqlite3.DatabaseError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return (
            f"The queue is held by another process (file {file}). No run is affected."
            " Try again in a moment."
        )
    if "readonly" in str(error):
        return (
            f"The queue cannot be written (file {file}): the folder is somebody else's or"
            " read-only. No run is affected. Give a folder of your own with --runs."
        )
    how = "cannot be used" if isinstance(error, sqlite3.OperationalError) else "is damaged"
    return (
        f"The queue {how} (file {file}): {error}. Runs are unaffected: move the file away,"
        " then queue what was waiting again with `sapo resume --detach`."
    )
