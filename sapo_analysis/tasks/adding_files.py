"""Adding tasks from what a user has: a table, a card, a folder of tasks, a task file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import authors, super_ni
from sapo_analysis.tasks.adding import Added, add_rows, add_task, gather, refuse_taken
from sapo_analysis.tasks.base import SPLITS, Split, Task
from sapo_analysis.tasks.card import CardPrompts, Columns, FileData, TaskCard, read_card
from sapo_analysis.tasks.choosing import metric_for, new_tokens_for
from sapo_analysis.tasks.sampling import KEEP, Gathered
from sapo_analysis.tasks.sources import read_source
from sapo_analysis.tasks.tables import Table, read_table

Fields = Mapping[str, Any]
"""Fields of a card with the values that a user gave."""


def add_table(
    runs_dir: Path,
    table: Table,
    name: str,
    columns: Columns,
    prompt: str,
    fields: Fields | None = None,
    keep: Mapping[Split, int] = KEEP,
) -> Added:
    """Add a task from one table; dev and test are held out of it.

    Where `fields` has no `metric` the rule of `choosing` decides over the kept rows; where it has
    no `max_new_tokens` their longest target does.

    Raises:
        InputError: as `adding.add_rows`; or the fields make no card.
    """
    refuse_taken(runs_dir, name)
    given = dict(fields or {})
    found = gather(columns, given.get("labels", ()), {"train": table.rows()}, keep)
    kept = [row for split in SPLITS for row in found.rows[split]]
    card = TaskCard.checked(
        {
            "title": name,
            "metric": metric_for(given.get("labels", ()), kept),
            "max_new_tokens": new_tokens_for(row.target for row in kept),
            **given,
            "name": name,
            "columns": columns,
            "prompts": {"original": prompt},
        },
        f"The card of task {name!r}",
    )
    return add_task(runs_dir, card, found, _files({"train": table}))


def add_card(
    runs_dir: Path,
    path: Path,
    table: Table | None = None,
    fields: Fields | None = None,
    keep: Mapping[Split, int] = KEEP,
) -> Added:
    """Add the task of a card whose rows are in files, or in one table given beside it.

    Raises:
        InputError: as `adding.add_rows`; or the card cannot be read or names no files.
    """
    card = changed(read_card(path), fields or {})
    if table is not None:
        tables: dict[Split, Table] = {"train": table}
    elif isinstance(card.data, FileData):
        tables = {split: read_table(path.parent / file) for split, file in card.data.files.items()}
    else:
        raise InputError(
            f"The card {str(path)!r} names no files with rows. Add them under `data: files:`, or"
            " give a file with rows and the card beside it."
        )
    rows = {split: own.rows() for split, own in tables.items()}
    return add_rows(runs_dir, card, rows, _files(tables), keep)


def add_source(
    runs_dir: Path,
    path: Path,
    fields: Fields | None = None,
    keep: Mapping[Split, int] | None = None,
) -> list[Added]:
    """Add every task of a folder of the SAPO authors, or the one of a Super-NI task file.

    Rows of a folder keep their order, and all of them are kept unless `keep` says how many first
    ones; those of a task file are sampled (`super_ni`). `fields` may be given for one task alone.

    Raises:
        InputError: the source cannot be read, a name is taken, or several tasks have fields.
    """
    if path.suffix == ".json":
        source = super_ni.read_file(path, keep or KEEP)
    elif (path / authors.INSTRUCTIONS).is_file():
        source = read_source(path)
    else:
        raise InputError(
            f"{str(path)!r} has no {authors.INSTRUCTIONS}. Give a folder of released tasks, a file"
            " of rows or a card. A folder of tasks that were added is named by --from and"
            " `tasks_from` as it is."
        )
    if fields and len(source.tasks) > 1:
        raise InputError(
            f"{str(path)!r} holds {len(source.tasks)} tasks, and {', '.join(fields)} can be set for"
            " one alone. Leave that out."
        )
    cards = [(task, changed(card_of(task), fields or {})) for task in source.tasks.values()]
    for _, card in cards:
        refuse_taken(runs_dir, card.name)
    return [
        add_task(runs_dir, card, _whole(path, task, keep), _origin(path, task))
        for task, card in cards
    ]


def card_of(task: Task) -> TaskCard:
    """What a card says of a task at hand."""
    original, *others = task.wordings
    return TaskCard(
        name=task.name,
        title=task.title,
        family=task.family,
        suffix=task.suffix,
        labels=task.labels,
        metric=task.metric,
        max_new_tokens=task.max_new_tokens,
        prompts=CardPrompts(
            original=original.text,
            paraphrases=tuple(w.text for w in others if not w.test_only),
            test_only=tuple(w.text for w in others if w.test_only),
        ),
    )


def changed(card: TaskCard, fields: Fields) -> TaskCard:
    """A card with other fields; a `prompt` takes the place of all wordings.

    Raises:
        InputError: it is no card any more; the offending fields are named.
    """
    if not fields:
        return card
    given = dict(fields)
    if prompt := given.pop("prompt", None):
        given["prompts"] = {"original": prompt}
    return TaskCard.checked({**card.model_dump(), **given}, f"The card of task {card.name!r}")


def _whole(path: Path, task: Task, keep: Mapping[Split, int] | None) -> Gathered:
    if path.is_file():
        return replace(super_ni.read_rows(path, keep or KEEP), notes=task.notes)
    every = {split: task.examples(split) for split in SPLITS}
    rows = {split: own[: keep[split]] if keep else own for split, own in every.items()}
    return Gathered(rows, sum(map(len, every.values())), 0, notes=task.notes)


def _origin(path: Path, task: Task) -> dict[str, Any]:
    if path.is_file():
        return _files({"train": Table(path.name, path)})
    files = {split: path / task.name / f"{split}.json" for split in SPLITS}
    return {
        "folder": path.name,
        "layout": authors.INSTRUCTIONS,
        "sha256": {
            split: hashlib.sha256(file.read_bytes()).hexdigest() for split, file in files.items()
        },
    }


def _files(tables: Mapping[Split, Table]) -> dict[str, Any]:
    return {
        "files": {split: table.name for split, table in tables.items()},
        "sha256": {split: table.sha256 for split, table in tables.items()},
    }
