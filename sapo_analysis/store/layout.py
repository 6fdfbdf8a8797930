"""Names inside a run folder, and how its files are replaced whole."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

SPEC = "spec.json"
PROVENANCE = "provenance.json"
STATUS = "status.json"
CONDITIONS = "conditions.json"
EVENTS = "events.jsonl"
LIVE = "live.jsonl"
"""What a sequence run tells while it runs; gone when it is done, for its tables say it all."""
LOG = "worker.log"
ABOUT = "about.md"
"""What a reader of the run has to know, by whoever puts it there; no run writes one."""
LOCK = ".lock"
SPARE = ".spare"
"""Room kept on the disk while a run is worked on: the last word has to fit on a full one too."""
CANCEL = ".cancel"
"""There while a run is asked to end; whoever works on it next takes it away."""
FINISH = ".finish-group"
"""There while a run is asked to end after the group in flight."""
TABLES = "tables"
STATES = "states"
ADAPTERS = "adapters"
"""Adapters of trials in peft's format, where the study keeps them."""
REUSED = "reused"
"""Tables of trials taken over from other runs, a file each, until they are among the run's own."""
JOINED = "all.parquet"


def part_name(order: int, group_id: str) -> str:
    """File name of one group's part.

    Names sort in plan order, so that joined tables do not depend on interruptions.
    """
    return f"part-{order:05d}-{group_id}.parquet"


def group_of_part(path: Path) -> str:
    """The group that wrote a part."""
    return path.stem.split("-", 2)[2]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file whole: a reader, or a kill at any moment, sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_model(path: Path, content: BaseModel) -> None:
    """Replace a JSON file by what a model holds, whole."""
    write_atomically(path, (content.model_dump_json(indent=2) + "\n").encode())


def write_json(path: Path, data: Any) -> None:
    """Replace a JSON file whole."""
    write_atomically(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
