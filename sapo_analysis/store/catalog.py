"""Run folders listed again and again: what has not changed on the disk is not read again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapo_analysis.errors import RunError
from sapo_analysis.spec import AnySpec
from sapo_analysis.store import layout
from sapo_analysis.store.folder import run_folders
from sapo_analysis.store.reader import DamagedRun, Run, open_run
from sapo_analysis.store.status import Status

Stamp = tuple[int, int, int] | None
"""Of a file: what changes when it is replaced or written; None: it is not there."""


@dataclass
class _Known:
    stamps: tuple[Stamp, Stamp]
    study: AnySpec | None = None
    status: Status | None = None
    damage: str = ""
    facts_stamp: Stamp = None
    facts: dict[str, Any] | None = None


class Catalog:
    """Every run of some folders, as `list_runs` gives them, at the price of looking at two files.

    Whether a worker still lives is looked up each time. One catalog serves many threads.
    """

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._lock = threading.Lock()

    def runs(self, folders: Sequence[Path]) -> list[Run | DamagedRun]:
        """Every run in these folders, a damaged one as `DamagedRun`."""
        paths = run_folders(list(folders))
        with self._lock:
            found = [self._run(path) for path in paths]
            for gone in self._known.keys() - set(paths):
                del self._known[gone]
        return found

    def facts(self, run: Run, names: Sequence[str]) -> dict[str, Any]:
        """Some keys of a run's provenance; none of one that is missing or damaged."""
        with self._lock:
            known = self._known.get(run.path)
            stamp = _stamp(run.path / layout.PROVENANCE)
            if known is not None and known.facts is not None and known.facts_stamp == stamp:
                found = known.facts
            else:
                found = _json_object(run.path / layout.PROVENANCE)
                if known is not None:
                    known.facts, known.facts_stamp = found, stamp
        return {name: found[name] for name in names if name in found}

    def _run(self, path: Path) -> Run | DamagedRun:
        stamps = (_stamp(path / layout.SPEC), _stamp(path / layout.STATUS))
        known = self._known.get(path)
        if known is None or known.stamps != stamps:
            # The stamps were taken first: what is written meanwhile is read again the next time.
            known = self._known[path] = _opened(path, stamps)
        if known.study is None or known.status is None:
            return DamagedRun(path, known.damage)
        return Run(path, known.study, known.status.alive_now(path))


def written_kind(path: Path) -> str:
    """The kind of study that the spec of a damaged run names; "" where that cannot be read."""
    found = _json_object(path / layout.SPEC)
    return str(found.get("kind", ""))


def _opened(path: Path, stamps: tuple[Stamp, Stamp]) -> _Known:
    try:
        run = open_run(path)
        written = Status.model_validate_json((path / layout.STATUS).read_bytes())
    except RunError as error:
        return _Known(stamps, damage=str(error))
    except (OSError, ValueError) as error:  # replaced or removed between the two looks
        return _Known((None, None), damage=f"Run {path.name}: {error}.")
    return _Known(stamps, run.study, written)


def _json_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
