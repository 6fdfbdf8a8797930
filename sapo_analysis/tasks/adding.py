"""Adding a task to a runs folder: rows of tables checked, sampled and written beside their card.

A split that has no table is held out of train. Of each split a bounded number of rows is kept
(`sampling`), so that a table of any length takes one pass and little memory. Who may write is for
the caller to ask.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import added
from sapo_analysis.tasks.base import SPLITS, Split, Task
from sapo_analysis.tasks.card import Columns, FileData, TaskCard
from sapo_analysis.tasks.checking import Checker
from sapo_analysis.tasks.pocket import task_names as pocket_names
from sapo_analysis.tasks.sampling import KEEP, Gathered, Sample, gathered

Tables = Mapping[Split, Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Added:
    """A task that was added: where it lies, itself, and what became of the rows."""

    folder: Path
    task: Task
    gathered: Gathered


def add_rows(
    runs_dir: Path,
    card: TaskCard,
    tables: Tables,
    origin: Mapping[str, Any],
    keep: Mapping[Split, int] = KEEP,
) -> Added:
    """Add the task of a card with the rows of some tables to a runs folder.

    Args:
        runs_dir: The runs folder; the task comes to lie in `.tasks/NAME` there, whole or not at
            all.
        card: What is to be said of the task; its `columns` say how a row becomes an example.
        tables: Rows by split; dev and test may be missing. A row may be a `checking.Row`, which
            knows its place; else it is numbered from 1.
        origin: Where the rows come from, for the card: file names without folders, sha256, ...
        keep: Rows kept of each split at most.

    Raises:
        InputError: the name is taken, the card has no columns, rows are wrong (with their places),
            too few, or the folder cannot be written.
    """
    refuse_taken(runs_dir, card.name)
    if card.columns is None:
        raise InputError(
            f"The card of task {card.name!r} does not say which columns hold input and target."
            " Add them under `columns`."
        )
    return add_task(runs_dir, card, gather(card.columns, card.labels, tables, keep), origin)


def gather(
    columns: Columns, labels: Sequence[str], tables: Tables, keep: Mapping[Split, int] = KEEP
) -> Gathered:
    """The rows of a task from some tables, in hash order.

    Raises:
        InputError: train is missing, a row is wrong (with its place), or there are too few rows.
    """
    if "train" not in tables:
        raise InputError(
            f"A task needs rows to train on; there are {', '.join(tables) or 'none'}. Name rows for"
            " train; missing dev and test splits are taken from them."
        )
    checker = Checker(columns, labels)
    missing = tuple(split for split in SPLITS if split not in tables)
    samples: dict[Split, Sample] = {}
    for split, table in tables.items():
        room = keep[split]
        if split == "train":
            room += sum(keep[other] for other in missing)
        samples[split] = Sample(room)
        for example in checker.examples(table, split):
            samples[split].offer(example)
    checker.refuse_if_wrong()
    return gathered(samples, keep)


def add_task(
    runs_dir: Path, card: TaskCard, found: Gathered, origin: Mapping[str, Any] | None = None
) -> Added:
    """Write a task of rows at hand into a runs folder; it appears whole.

    Raises:
        InputError: the name is taken, or the folder cannot be written.
    """
    refuse_taken(runs_dir, card.name)
    told = {
        **(origin or {}),
        "read": found.read,
        "kept": found.kept,
        "repeated": found.repeated,
        "left_out": found.left_out,
        "held_out": list(found.held_out),
        "notes": list(found.notes),
    }
    folder = runs_dir / added.FOLDER / card.name
    half = folder.with_name(f".{card.name}-{secrets.token_hex(4)}")
    try:
        # Paths of files are seen from where the card lay.
        data = None if isinstance(card.data, FileData) else card.data
        beside = card.model_copy(update={"origin": told, "data": data})
        added.write_task(half, beside, dict(found.rows))
        half.rename(folder)
    except OSError as error:
        refuse_taken(runs_dir, card.name)  # another window or terminal may have been faster
        raise InputError(
            f"Cannot write task {card.name!r} into {str(folder.parent)!r}: {error.strerror}."
            " Give a writable folder with --runs."
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return Added(folder, added.read_task(folder), found)


def refuse_taken(runs_dir: Path, name: str) -> None:
    """Refuse a name that a task has already.

    Raises:
        InputError: the pocket suite or this runs folder has a task of this name.
    """
    if name in pocket_names():
        raise InputError(f"The pocket suite has a task {name!r}. Give yours another name.")
    folder = runs_dir / added.FOLDER / name
    if folder.exists():
        raise InputError(
            f"A task {name!r} was added before ({folder}); runs may have been made with it. Give"
            " this one another name, or remove that folder first."
        )
