"""What a source of tasks holds, and whether a file has changed since it was read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sapo_analysis.tasks.base import Task

Stamp = tuple[int, int, int] | None
"""Of a file: another one, or one that was changed, has another; None where there is none."""


@dataclass(frozen=True)
class Source:
    """Tasks by name, and why others that are named there cannot be used."""

    tasks: Mapping[str, Task]
    left_out: Mapping[str, str] = field(default_factory=dict)


def title_of(name: str) -> str:
    """A title for `task195_sentiment140_classification`: `Sentiment140 classification`."""
    words = re.sub(r"^task\d+_", "", name).replace("_", " ")
    return words[0].upper() + words[1:]


def stamp(path: Path) -> Stamp:
    """The stamp of a file, without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
