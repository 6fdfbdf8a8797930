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
)

from sapo_analysis.analysis.wording import about
from sapo_analysis.cli.output import clean, say
from sapo_analysis.store.status import Status

_LINE_EVERY_SECONDS = 30.0
_FEW_SECONDS = 10.0
"""What is left is told no finer than this."""


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
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
        )
        self._screen: Progress | Live = self._bar
        self._task = self._bar.add_task("starting", total=None, left="")
        self._live = self._console.is_terminal
        self._said_at = 0.0

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
        if self._live:
            phase = clean(status.phase or status.state)
            self._bar.update(
                self._task,
                description=phase,
                completed=status.done,
                total=status.total or None,
                left=left_in_words(status),
            )
        elif status.state == "running" and time.monotonic() - self._said_at > _LINE_EVERY_SECONDS:
            self._said_at = time.monotonic()
            phase = status.phase or status.state
            say(f"{status.done} of {status.total} {self.counted} · {phase}{left_in_words(status)}")


def left_in_words(status: Status) -> str:
    """` · about 3 min left`; "" where it is not known (`Status.seconds_left`)."""
    left = status.seconds_left
    if left is None:
        return ""
    return f" · {'a few seconds' if left < _FEW_SECONDS else f'about {about(left)}'} left"
