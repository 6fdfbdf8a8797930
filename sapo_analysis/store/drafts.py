"""Unfinished launch forms: a JSON file each under `.drafts` in the user's runs folder.

A form has a file of its own, so two windows do not write over each other; the newest is the one
that is offered to whoever opens the form anew.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.explain import explain
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only

FOLDER = ".drafts"
KEPT = 8
"""Drafts of a runs folder; older ones go when a new one is begun."""
_MAX_BYTES = 4_000_000
_PATIENCE_SECONDS = 2.0
_ID = re.compile(r"[0-9a-f]{8}")


class Draft(BaseModel):
    """What a launch form holds that nobody has launched.

    `changes` are the settings, by dotted name, that differ from what the form was opened with:
    a size of a kind of study, or a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    question: Literal["paraphrase", "sequence"] = "paraphrase"
    size: str = Field("quick", max_length=40)
    start: str = Field("", max_length=200)
    """`from=RUN`, `race=RUN`; empty: a size."""
    extend: bool = False
    smaller: bool = False
    engine: Literal["stacked", "plain"] = "stacked"
    changes: dict[str, Any] = {}
    saved: str = Field(default_factory=layout.now)


def new_draft_id() -> str:
    """A name for a new draft."""
    return secrets.token_hex(4)


def read_draft(runs_dir: Path, draft_id: str) -> Draft | None:
    """A draft; None where there is none of that name.

    Raises:
        InputError: it is no draft's name, or its file is damaged.
    """
    path = _file(runs_dir, draft_id)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _damaged(path, f"it has {path.stat().st_size:,} bytes")
        return Draft.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise _damaged(path, explain(error, Draft).strip()) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error


def newest_draft(runs_dir: Path) -> str | None:
    """The name of the draft that was saved last; None where there is none."""
    return next((path.stem for path in _newest_first(runs_dir)), None)


def save_draft(runs_dir: Path, draft_id: str, draft: Draft) -> None:
    """Keep a draft in place of what was kept under its name.

    Raises:
        InputError: it is no draft's name, the draft is too large, the folder cannot be written, or
            this server is read-only.
        WorkError: another process holds the file.
    """
    refuse_if_read_only("no draft is kept")
    path = _file(runs_dir, draft_id)
    content = draft.model_dump_json(indent=2).encode()
    if len(content) > _MAX_BYTES:
        raise InputError(
            f"The draft has {len(content):,} bytes, at most {_MAX_BYTES:,} are kept. What you see"
            " can be launched or downloaded, but not found again: leave some prompts out."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(".lock"), timeout=_PATIENCE_SECONDS):
            is_new = not path.exists()
            layout.write_atomically(path, content)
            for old in _newest_first(runs_dir)[KEPT:] if is_new else ():
                old.unlink(missing_ok=True)
    except Timeout:
        raise WorkError(
            f"The drafts are being written by another process (folder {path.parent})."
            " The next change is saved again."
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot keep the draft in {str(path.parent)!r}: {error.strerror}."
            " What you see can be launched or downloaded, but not found again."
        ) from error


def discard_draft(runs_dir: Path, draft_id: str) -> None:
    """Remove a draft, damaged or not; one that is gone already is no error.

    Raises:
        InputError: it is no draft's name, or this server is read-only.
    """
    refuse_if_read_only("no draft is removed")
    with contextlib.suppress(OSError):
        _file(runs_dir, draft_id).unlink(missing_ok=True)


def _newest_first(runs_dir: Path) -> list[Path]:
    files = [p for p in (runs_dir / FOLDER).glob("*.json") if _ID.fullmatch(p.stem)]
    return sorted(files, key=_time, reverse=True)


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # removed by another window just then
        return 0


def _file(runs_dir: Path, draft_id: str) -> Path:
    if not _ID.fullmatch(draft_id):
        raise InputError(f"{draft_id[:80]!r} is no draft: its name has eight digits 0-9, a-f.")
    path = runs_dir / FOLDER / f"{draft_id}.json"
    if not path.resolve().is_relative_to(runs_dir.resolve()):
        raise InputError(f"{path} is a link that leads out of the runs folder. Remove it.")
    return path


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"The draft of a launch cannot be read (file {path}): {reason.rstrip('.')}."
        " Runs are unaffected. Discard it, or mend the file by hand."
    )
