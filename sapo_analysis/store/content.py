"""Which numbers a run holds, told by the bytes of its tables."""

from __future__ import annotations

import hashlib

from sapo_analysis.errors import RunError
from sapo_analysis.records import TABLES
from sapo_analysis.store.reader import Run


def table_hashes(run: Run) -> dict[str, str]:
    """The SHA-256 of each table's file, by name, as `sha256sum` gives it; of tables that are there.

    Of a run that is worked on a table is several files: then it is that of them one after another.

    Raises:
        RunError: a file cannot be read.
    """
    return {name: _hash(run, name) for name in TABLES if run.files(name)}


def _hash(run: Run, name: str) -> str:
    found = hashlib.sha256()
    try:
        for file in run.files(name):
            found.update(file.read_bytes())
    except OSError as error:
        raise RunError(
            f"Run {run.run_id}: table {name} is unreadable: {error}. Copy the run folder in again."
        ) from error
    return found.hexdigest()
