"""Removing a task that was added to a runs folder."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.spec import SequenceStudy
from sapo_analysis.store.access import refuse_if_read_only, writing_into
from sapo_analysis.store.catalog import Catalog
from sapo_analysis.store.reader import Run
from sapo_analysis.tasks.added import CARD, FOLDER

_GONE = ".removed-"


def remove_added_task(runs_dir: Path, name: str) -> None:
    """Remove the folder of an added task, a damaged one too; the user's prompts of it stay.

    It takes a name with a dot first, so that a kill leaves nothing half removed in the list.

    Raises:
        InputError: no such task was added; a run that waits or is worked on has it; the folder
            cannot be changed; or this server is read-only. Nothing was removed then.
    """
    refuse_if_read_only("no task is removed here")
    folder = runs_dir / FOLDER
    known = [card.parent.name for card in folder.glob(f"*/{CARD}")]
    if name not in known:
        raise unknown("added task", name, known)
    if users := list(_waiting_or_at_work(runs_dir, name)):
        raise InputError(
            f"Task {name!r} is needed by {', '.join(users)}. Cancel that first, or wait until it is"
            " done; then the task can be removed."
        )
    with writing_into(folder):
        (folder / name).rename(folder / f"{_GONE}{name}-{secrets.token_hex(4)}")
    for gone in folder.glob(f"{_GONE}*"):
        shutil.rmtree(gone, ignore_errors=True)


def _waiting_or_at_work(runs_dir: Path, name: str) -> Iterator[str]:
    """Runs of this folder that will read the task."""
    folder = (runs_dir / FOLDER).resolve()
    for run in Catalog().runs([runs_dir]):
        if not isinstance(run, Run) or run.is_imported:
            continue
        if run.status.state != "queued" and not run.status.is_at_work:
            continue
        study = run.study
        if isinstance(study, SequenceStudy):
            names = set(study.tasks)
        else:
            own = run.paraphrase
            names = {*own.past, *own.current, *own.unseen, *own.retained}
        paths = {Path(path).resolve() for path in getattr(study, "tasks_from", ())}
        if name in names and paths & {folder, folder / name}:
            yield f"run {run.run_id}, which is {run.status.state}"
