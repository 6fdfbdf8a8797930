"""What a run is asked from outside: marks in its folder that its worker looks for."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.store import layout


def ask_to_end(path: Path) -> None:
    """Say that a run is to be cancelled, before its worker is told."""
    (path / layout.CANCEL).touch()


def ask_to_finish_group(path: Path) -> None:
    """Say that a run is to end as soon as the group in flight is saved."""
    (path / layout.FINISH).touch()


def is_asked_to_end(path: Path) -> bool:
    """Whether somebody wants the run to end, at once or after a group."""
    return any((path / mark).exists() for mark in (layout.CANCEL, layout.FINISH))


def forget_requests(path: Path) -> None:
    """Take the marks away: whoever works on the run next starts without them."""
    for mark in (layout.CANCEL, layout.FINISH):
        (path / mark).unlink(missing_ok=True)
