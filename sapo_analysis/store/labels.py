"""Tags that a user gives runs: `.labels.json` in their runs folder, apart from the runs themselves.

A run is written once and stays as it is; what somebody calls it may change.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.store import layout
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.folder import is_shipped

FILE = ".labels.json"
LOCK = ".labels.lock"
MOST_TAGS = 12
LONGEST_TAG = 40
_WAIT_SECONDS = 5.0

Tags = Mapping[str, list[str]]
"""Tags by run id; a run without any is not in it."""


def tags_in(runs_dir: Path) -> Tags:
    """The tags of all runs of a runs folder.

    Raises:
        InputError: the file that holds them is damaged.
    """
    path = runs_dir / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        for run_id, tags in found.items():
            if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
                raise ValueError(f"the tags of {run_id!r} are not a list of texts")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"The tags are unreadable (file {path}): {error}. Runs are unaffected."
            " Repair the file, or move it away: then no run has tags."
        ) from error
    return found


def set_tags(path: Path, tags: Iterable[str]) -> list[str]:
    """Give a run exactly these tags; returns them as they are kept.

    Spaces around a tag and between its words are made one, and a tag given twice is kept once.

    Raises:
        InputError: too many, too long or empty, a character that is not shown, a damaged file, a
            folder that cannot be written, a shipped run, or a read-only server; nothing was
            changed.
        WorkError: another process holds the file.
    """
    refuse_if_read_only("no run is tagged here")
    if is_shipped(path):
        raise InputError(f"Run {path.name} is a shipped one and stays as it is: it has no tags.")
    kept = list(dict.fromkeys(_checked(tag) for tag in tags))
    if len(kept) > MOST_TAGS:
        raise InputError(
            f"{len(kept)} tags were given; a run can have {MOST_TAGS}. Leave some out."
        )
    runs_dir = path.parent
    try:
        with FileLock(runs_dir / LOCK, timeout=_WAIT_SECONDS):
            known = dict(tags_in(runs_dir))
            if kept:
                known[path.name] = kept
            else:
                known.pop(path.name, None)
            layout.write_json(runs_dir / FILE, known)
    except Timeout:
        raise WorkError(
            f"The tags are being written by another process (file {runs_dir / FILE})."
            " Try again in a moment."
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot write the tags into {str(runs_dir)!r}: {error.strerror}."
        ) from error
    return kept


def forget_tags(path: Path) -> None:
    """Drop the tags of a run that is gone; a file that cannot be read or written stays."""
    with contextlib.suppress(InputError, WorkError):
        if path.name in tags_in(path.parent):
            set_tags(path, ())


def _checked(tag: str) -> str:
    words = " ".join(tag.split())
    if not words:
        raise InputError("A tag is empty. Give it at least one character.")
    if len(words) > LONGEST_TAG:
        raise InputError(
            f"The tag {words[:LONGEST_TAG]!r} … has {len(words)} characters; at most {LONGEST_TAG}"
            " are allowed."
        )
    if not words.isprintable():
        raise InputError(f"The tag {words!r} has a character that is not shown. Leave it out.")
    return words
