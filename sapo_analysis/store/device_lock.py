"""One run per device: a lock file for each device of this machine, held by the worker itself.

It is the operating system's lock, so it goes with the process that holds it, however that ends.
The locks of a user lie in one folder for all runs folders; other users of the machine are not seen.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.store import layout

LOCKS = "SAPO_LOCKS"
"""Environment variable with another folder for the locks."""
DEVICES = ("cpu", "cuda")
BUSY_STATUS = 75
"""Exit status of a queued worker whose device another run holds: it is to wait (EX_TEMPFAIL)."""
_LOOKING_SECONDS = 2.0
"""Whoever only looks whether a lock is free holds it for a moment."""


class DeviceBusy(InputError):
    """Another run is being worked on by the device."""


def hold_device(device: str, run: Path) -> AbstractContextManager[None]:
    """Hold a device for a run until the block is left.

    Raises:
        DeviceBusy: another run holds it; that one is named.
    """
    lock = _lock(device)
    try:
        lock.acquire(timeout=_LOOKING_SECONDS)
    except Timeout:
        raise DeviceBusy(
            f"Another run is being worked on here by {device}: {holder_of(device) or 'unknown'}."
            " Wait for it (`sapo run --detach` queues a study), or stop it with `sapo cancel`."
        ) from None
    holder = _holder_file(device)
    layout.write_json(holder, {"run": str(run.absolute()), "pid": os.getpid()})
    return _held(lock, holder)


@contextmanager
def _held(lock: FileLock, holder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def is_free(device: str) -> bool:
    """Whether no run holds a device at this moment."""
    lock = _lock(device)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def holder_of(device: str) -> Path | None:
    """The run folder that a device is at work on; None where it is free, or not known.

    A worker that was killed leaves its name behind, but not its lock.
    """
    if is_free(device):
        return None
    try:
        return Path(json.loads(_holder_file(device).read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError):
        return None


def _lock(device: str) -> FileLock:
    # Not a singleton, and not shared by threads: each asker has a handle of its own.
    return FileLock(_folder() / f"{device}.lock", thread_local=False)


def _holder_file(device: str) -> Path:
    return _folder() / f"{device}.json"


def _folder() -> Path:
    given = os.environ.get(LOCKS)
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"sapo-analysis-{user}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_own = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError as error:
        raise WorkError(
            f"The folder of the device locks, {str(folder)!r}, cannot be made: {error.strerror}."
            f" Name another one in the environment variable {LOCKS}."
        ) from error
    if not is_own:
        raise WorkError(
            f"The folder of the device locks, {str(folder)!r}, is somebody else's."
            f" Name another one in the environment variable {LOCKS}."
        )
    return folder
