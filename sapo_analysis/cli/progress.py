"""A study's progress on standard error: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sapo_analysis.cli.output import clean, duration, say
from sapo_analysis.store.status import Status

_LINE_EVERY_SECONDS = 30.0
# A trial takes seconds to minutes; rich's default of 30 s sees too few of them.
_SPEED_OVER_SECONDS = 600.0


class StudyProgress:
    """Shows each `Status` that `jobs` hands it; a context manager."""

    counted = "trials"
    """What is counted."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{self.counted} · "),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=_SPEED_OVER_SECONDS,
        )
        self._screen: Progress | Live = self._bar
        self._task = self._bar.add_task("starting", total=None)
        self._live = self._console.is_terminal
        self._began = time.monotonic()
        self._said_at = 0.0
        self._first: int | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._screen.stop()

    def __call__(self, path: Path, status: Status) -> None:
        """Show where the run stands."""
        if self._first is None and status.state == "running":
            self._first = status.done
            # Trials finished before a resume say nothing about speed.
            self._bar.reset(self._task, completed=status.done)
        if self._live:
            phase = clean(status.phase or status.state)
            self._bar.update(
                self._task, description=phase, completed=status.done, total=status.total or None
            )
        elif status.state == "running" and time.monotonic() - self._said_at > _LINE_EVERY_SECONDS:
            self._said_at = time.monotonic()
            phase = status.phase or status.state
            say(f"{status.done} of {status.total} {self.counted} · {phase}{self._left(status)}")

    def _left(self, status: Status) -> str:
        finished = status.done - (self._first or 0)
        if not finished or status.done >= status.total:
            return ""
        seconds = (time.monotonic() - self._began) / finished * (status.total - status.done)
        return f" · about {duration(seconds)} left"
