"""The state of a run: what its worker last wrote, corrected by whether that worker still lives."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from sapo_analysis.store import layout

State = Literal["queued", "running", "stalled", "interrupted", "failed", "cancelled", "done"]
STALLED_AFTER_SECONDS = 90
CLOCK_SECONDS = 2.0
"""A process's start time is told by a clock that may be set meanwhile."""


class Status(BaseModel):
    """`status.json`: replaced atomically by the worker. `done` and `total` count trials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State = "queued"
    pid: int | None = None
    pid_started: float | None = None
    heartbeat: str | None = None
    done: int = 0
    total: int = 0
    phase: str = ""
    seconds: float = 0.0
    error: str | None = None
    next_step: str | None = None

    def alive_now(self, folder: Path) -> Status:
        """This status of the run in `folder` as it stands now.

        A `running` one whose process is gone is `interrupted`, or `cancelled` if that was asked
        for; a silent one is `stalled`.
        """
        if self.state != "running":
            return self
        if not self._process_lives():
            if (folder / layout.CANCEL).exists():
                return self._as("cancelled", how_to_resume(folder))
            reason = "Its process is gone: killed, short of memory, or the machine went down."
            return self._as("interrupted", f"{reason} {how_to_resume(folder)}")
        if self.heartbeat is not None:
            silent = (datetime.now(UTC) - datetime.fromisoformat(self.heartbeat)).total_seconds()
            if silent > STALLED_AFTER_SECONDS:
                stop = f"No sign of life for {silent:.0f} s. Stop it with `sapo cancel {folder}`."
                return self._as("stalled", f"{stop} {how_to_resume(folder)}")
        return self

    def _as(self, state: State, next_step: str) -> Status:
        return self.model_copy(update={"state": state, "next_step": next_step})

    def _process_lives(self) -> bool:
        # A pid alone may have been given to another process since; its start time tells them apart.
        if self.pid is None:
            return False
        try:
            process = psutil.Process(self.pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and abs(process.create_time() - (self.pid_started or 0)) < CLOCK_SECONDS
            )
        except psutil.Error:
            return False


def how_to_resume(folder: Path) -> str:
    """What to do with a run that was stopped, and where to look."""
    return (
        f"What is finished is safe: continue with `sapo resume {folder}`."
        f" The log: {folder / layout.LOG}."
    )


def running_here(**values: object) -> Status:
    """The status of a run that this process is working on."""
    pid = os.getpid()
    process = {"pid": pid, "pid_started": psutil.Process(pid).create_time()}
    beat = {"state": "running", "heartbeat": layout.now()}
    return Status.model_validate({**process, **beat, **values})
