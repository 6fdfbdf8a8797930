"""Whether a process is still the one that was meant: its number alone may have been given anew."""

from __future__ import annotations

import psutil

CLOCK_SECONDS = 2.0
"""A process's start time is told by a clock that may be set meanwhile."""


def start_of(pid: int) -> float | None:
    """When a process was started (seconds since 1970); None where there is no such process."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def lives(pid: int | None, started: float | None) -> bool:
    """Whether the process `pid` that was started then is still there and no zombie."""
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(process.create_time() - (started or 0)) < CLOCK_SECONDS
        )
    except psutil.Error:
        return False
