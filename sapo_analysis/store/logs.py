"""The last lines of what a run's worker wrote."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.store import layout

LOGS = (layout.LOG, layout.EVENTS)
"""Errors and warnings of the worker; what happened to the run, a JSON object a line."""
_MOST_BYTES = 16_384


def tail(path: Path, name: str, lines: int = 40) -> str:
    """The last lines of a log of the run in `path`, "" where there is none; never all of it.

    Characters that are not shown appear as escapes: a log may hold what a prompt held.
    """
    try:
        with (path / name).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    whole = text.replace("\r", "\n").split("\n")
    if size > _MOST_BYTES:
        whole = whole[1:]  # cut in the middle
    last = [line for line in whole if line.strip()][-lines:]
    return "\n".join("".join(map(_shown, line)) for line in last)


def _shown(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return character.encode("unicode_escape").decode()
