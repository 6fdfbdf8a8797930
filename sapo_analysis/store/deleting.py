"""Removing a run folder for good."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, RunError
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.folder import is_shipped
from sapo_analysis.store.labels import forget_tags
from sapo_analysis.store.reader import open_run

_MARKS = (layout.SPEC, layout.STATUS)
"""A folder with neither is somebody's, not a run that lost a file."""
_GONE = ".deleted-"


def delete_run(path: Path) -> None:
    """Remove a run folder, a damaged one too, and its tags.

    It takes a name with a dot first: what a kill leaves half removed is listed nowhere, and goes
    with the next run that is deleted. Of a link to a folder elsewhere only the link goes.

    Raises:
        InputError: it is a shipped run, being worked on, no run folder, or cannot be removed; or
            this server is read-only. Nothing was removed then.
    """
    refuse_if_read_only("no run is deleted here")
    name = path.name
    if is_shipped(path):
        raise InputError(f"Run {name} is a shipped one and stays. Only your own runs are deleted.")
    if not any((path / mark).is_file() for mark in _MARKS):
        raise InputError(
            f"{str(path)!r} is not a run folder: it has no {' and no '.join(_MARKS)}."
            " Remove it by hand if you are sure."
        )
    try:
        if path.is_symlink():
            _refuse_at_work(path)
            path.unlink()
        else:
            _remove(path)
    except Timeout:
        raise InputError(_at_work(name)) from None
    except OSError as error:
        raise InputError(f"Run {name} cannot be deleted: {error.strerror} ({path}).") from error
    forget_tags(path)


def _remove(path: Path) -> None:
    # Whoever is about to work on it needs this lock, and after the renaming finds nothing.
    with FileLock(path / layout.LOCK, timeout=0):
        _refuse_at_work(path)
        path.rename(path.parent / f"{_GONE}{path.name}-{secrets.token_hex(4)}")
    for gone in path.parent.glob(f"{_GONE}*"):
        shutil.rmtree(gone, ignore_errors=True)


def _refuse_at_work(path: Path) -> None:
    with contextlib.suppress(RunError):  # damaged: the lock alone says that nobody works on it
        if open_run(path).status.is_at_work:
            raise InputError(_at_work(path.name))


def _at_work(name: str) -> str:
    return f"Run {name} is being worked on. Cancel it first, then delete it."
