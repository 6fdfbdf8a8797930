"""The state of a run: what its worker last wrote, corrected by whether that worker still lives."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sapo_analysis.store import layout
from sapo_analysis.store.process import lives, start_of

State = Literal["queued", "running", "stalled", "interrupted", "failed", "cancelled", "done"]
STALLED_AFTER_SECONDS = 90


class Status(BaseModel):
    """`status.json`: replaced atomically by the worker. `done` and `total` count trials.

    `seconds` of work so far; `done_at`: how many there were when the last trial was counted.

    `pid` and its start time name a process of the machine `host`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State = "queued"
    pid: int | None = Field(None, gt=0)
    pid_started: float | None = None
    host: str | None = None
    heartbeat: str | None = None
    done: int = 0
    total: int = 0
    phase: str = ""
    seconds: float = 0.0
    done_at: float = 0.0
    error: str | None = None
    next_step: str | None = None

    @field_validator("heartbeat")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"{text!r} names no time zone")
        return text

    def alive_now(self, folder: Path) -> Status:
        """This status of the run in `folder` as it stands now.

        A `running` one whose process is gone is `interrupted`, or `cancelled` if that was asked
        for; a silent one is `stalled`. Of a process on another machine only the silence is seen.
        """
        if self.state != "running":
            return self
        if not self.is_elsewhere and not lives(self.pid, self.pid_started):
            if (folder / layout.CANCEL).exists():
                return self._as("cancelled", how_to_resume(folder))
            reason = "Its process is gone: killed, short of memory, or the machine went down."
            return self._as("interrupted", f"{reason} {how_to_resume(folder)}")
        if self.heartbeat is not None:
            silent = (datetime.now(UTC) - datetime.fromisoformat(self.heartbeat)).total_seconds()
            if silent > STALLED_AFTER_SECONDS:
                cancel = f"`sapo cancel {folder}`"
                stop = (
                    f"It was begun on {self.host}: stop it there. If nobody works on it there any"
                    f" more, as on a folder that was copied, {cancel} writes that down."
                    if self.is_elsewhere
                    else f"Stop it with {cancel}."
                )
                said = f"No sign of life for {silent:.0f} s. {stop} {how_to_resume(folder)}"
                return self._as("stalled", said)
        return self

    @property
    def is_elsewhere(self) -> bool:
        """Whether its process was one of another machine."""
        return self.host not in (None, socket.gethostname())

    @property
    def is_at_work(self) -> bool:
        """Whether a process works on the run, silent or not."""
        return self.state in ("running", "stalled")

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes at the speed so far.

        None before the first trial, and where the group in flight takes longer than that: the
        estimate must not grow while work goes on.
        """
        if not 0 < self.done < self.total:
            return None
        at = self.done_at or self.seconds
        left = at / self.done * (self.total - self.done) - (self.seconds - at)
        return left if left > 0 else None

    def _as(self, state: State, next_step: str) -> Status:
        return self.model_copy(update={"state": state, "next_step": next_step})


def how_to_resume(folder: Path) -> str:
    """What to do with a run that was stopped, and where to look."""
    return (
        f"What is finished is safe: continue with `sapo resume {folder}`."
        f" The log: {folder / layout.LOG}."
    )


def running_here(**values: object) -> Status:
    """The status of a run that this process is working on."""
    pid = os.getpid()
    process = {
        "pid": pid,
        "pid_started": start_of(pid),
        "host": socket.gethostname(),
    }
    beat = {"state": "running", "heartbeat": layout.now()}
    return Status.model_validate({**process, **beat, **values})
