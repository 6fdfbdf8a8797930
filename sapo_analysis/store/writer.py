"""Writing a run: one worker, group by group.

A kill at any moment loses at most the group in flight.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError
from sapo_analysis.records import COSTS, TABLES, Table, tables_of
from sapo_analysis.store import layout
from sapo_analysis.store.reader import open_run
from sapo_analysis.store.requests import forget_requests, is_asked_to_end
from sapo_analysis.store.status import Status, how_to_resume, running_here

Row = Mapping[str, Any]
HEARTBEAT_SECONDS = 5.0
_SPARE_BYTES = 32_768
ENDED_AS_ASKED = 130
"""Exit status of a worker that ended because its user wanted that, as of one stopped by Ctrl-C."""


class RunWriter:
    """The one writer of a run folder; a context manager that holds the folder's lock.

    Inside the block the status is `running` with a heartbeat; leaving it through an exception
    writes `failed` with the reason, for Ctrl-C and a termination signal `interrupted`, or
    `cancelled` where that was asked for; `finish` writes `done`, which stays.

    Raises:
        InputError: another process is working on the run.
    """

    def __init__(self, path: Path, total: int):
        self.path = path
        self._lock = FileLock(path / layout.LOCK)
        self._status_lock = threading.Lock()
        self._stop = threading.Event()
        self._before = open_run(path).status.seconds
        self._started = time.monotonic()
        self._status = running_here(total=total, seconds=self._before)

    def __enter__(self) -> RunWriter:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"Run {self.path.name} is being worked on by another process."
                " Wait for it, or see `sapo runs`."
            ) from None
        if open_run(self.path).is_complete:  # it ended while this process was getting ready
            self._lock.release()
            raise InputError(f"Run {self.path.name} is done. See `sapo report {self.path.name}`.")
        forget_requests(self.path)
        (self.path / layout.SPARE).write_bytes(os.urandom(_SPARE_BYTES))
        self.update()
        self.event("started")
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        (self.path / layout.SPARE).unlink(missing_ok=True)
        if error is not None and self._status.state != "done":
            stopped = isinstance(error, KeyboardInterrupt | SystemExit)
            reason = None if stopped else _in_words(error)
            state = "failed"
            if stopped:
                state = "cancelled" if is_asked_to_end(self.path) else "interrupted"
            with contextlib.suppress(OSError):  # the error itself goes on to the log
                self.update(state=state, error=reason, next_step=how_to_resume(self.path))
                self.event(state, error=reason)
        self._lock.release()

    def update(self, **values: object) -> None:
        """Change fields of the status and write it."""
        with self._status_lock:
            seconds = self._before + time.monotonic() - self._started
            values = {**values, "heartbeat": layout.now(), "seconds": round(seconds, 1)}
            if values.get("done", self._status.done) != self._status.done:
                values["done_at"] = values["seconds"]
            self._status = Status.model_validate({**self._status.model_dump(), **values})
            layout.write_model(self.path / layout.STATUS, self._status)

    def event(self, event: str, **details: object) -> None:
        """Append one line to `events.jsonl`."""
        self._append(layout.EVENTS, event, details)

    def live(self, event: str, **details: object) -> None:
        """Append one line to `live.jsonl`, for whoever watches (`sapo_analysis.store.live`)."""
        self._append(layout.LIVE, event, details)

    def _append(self, name: str, event: str, details: Mapping[str, object]) -> None:
        line = {"time": layout.now(), "event": event, **details}
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Write or replace `provenance.json`."""
        layout.write_json(self.path / layout.PROVENANCE, dict(provenance))

    def finished_groups(self) -> set[str]:
        """Groups saved whole by this or an earlier worker."""
        return open_run(self.path).finished_groups

    def begin_group(self) -> None:
        """Say that everything so far is saved and another group is about to begin.

        Raises:
            SystemExit: the run was asked to end, after a finished group or from another machine,
                whose signals come nowhere.
        """
        if is_asked_to_end(self.path):
            sys.exit(ENDED_AS_ASKED)

    def save_group(self, order: int, group_id: str, rows: Mapping[str, Sequence[Row]]) -> None:
        """Save all that one group measured; the costs part, written last, marks it as whole."""
        assert COSTS.name in rows, "every group reports its costs"
        name = layout.part_name(order, group_id)
        for table_name in sorted(rows, key=lambda t: t == COSTS.name):
            table = TABLES[table_name]
            data = to_arrow(table, rows[table_name])
            layout.write_atomically(self._folder(table) / name, parquet(data))
        self.event("group_finished", group=group_id)

    def finish(self, provenance: Mapping[str, Any]) -> None:
        """Join the parts of each table, write the final provenance and mark the run as done."""
        whole = self.finished_groups()
        for table in tables_of(open_run(self.path).study.kind):
            # A worker killed within a group leaves parts of it; under another engine or chunk its
            # trials came again in other groups.
            parts = [
                pq.read_table(p, schema=table.schema)
                for p in sorted(self._folder(table).glob("part-*.parquet"))
                if layout.group_of_part(p) in whole
            ]
            joined = pa.concat_tables(parts) if parts else table.schema.empty_table()
            layout.write_atomically(self._folder(table) / layout.JOINED, parquet(joined))
        self.write_provenance(provenance)
        self._stop.set()
        self.update(state="done", phase="", error=None, next_step=None, pid=None, pid_started=None)
        self.event("done")
        with contextlib.suppress(OSError):  # what stays is removed at the start of a server
            tidy(self.path)

    def _folder(self, table: Table) -> Path:
        return self.path / layout.TABLES / table.name

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # a disk that is full for a moment
                self.update()


def _in_words(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    # Libraries tell of a full disk in errors of their own.
    full = os.strerror(errno.ENOSPC)
    return f"the disk is full, free some space ({text})" if full in text else text


def tidy(path: Path) -> None:
    """Remove what a done run no longer needs.

    That is: parts that were joined, weights of its stages, trials taken over that are in its tables
    by now, what it told while it ran, and what it had to be made under.
    """
    for part in (path / layout.TABLES).glob("*/part-*.parquet"):
        part.unlink()
    for half in (*path.glob(".*.json.*"), *(path / layout.TABLES).glob("*/.*")):
        half.unlink()
    (path / layout.CONDITIONS).unlink(missing_ok=True)
    (path / layout.LIVE).unlink(missing_ok=True)
    forget_requests(path)  # it was done before it could be stopped
    shutil.rmtree(path / layout.REUSED, ignore_errors=True)
    shutil.rmtree(path / layout.STATES, ignore_errors=True)


def to_arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table of the declared schema.

    Raises:
        ValueError: a row has a missing or unknown column, or a null where none is allowed.
    """
    for row in rows:
        if row.keys() != set(table.schema.names):
            wrong = sorted(row.keys() ^ set(table.schema.names))
            raise ValueError(f"table {table.name}: a row has missing or unknown columns {wrong}")
        for column in table.schema:
            if row[column.name] is None and not column.nullable:
                raise ValueError(f"table {table.name}: {column.name} is null in {dict(row)}")
    return pa.Table.from_pylist([dict(row) for row in rows], schema=table.schema)


def parquet(table: pa.Table) -> bytes:
    """A table as the content of a parquet file.

    Losses hardly repeat, so a dictionary only adds to them. Split by bytes, their exponents and the
    digits that float32 does not have lie together: tables of losses take a third less.
    """
    split = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        use_dictionary=[name for name in table.schema.names if name not in split],
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
    )
    return buffer.getvalue()
