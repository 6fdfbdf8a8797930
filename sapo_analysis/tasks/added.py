"""A task that was added: a folder with its card and a parquet file of rows per split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.card import TaskCard, read_card, write_card
from sapo_analysis.tasks.source import Stamp, stamp

CARD = "task.yaml"
FOLDER = ".tasks"
"""Where a runs folder keeps the tasks that were added to it."""
SUITE = "added"
_SCHEMA = pa.schema([("input", pa.string()), ("target", pa.string())])


def read_task(folder: Path) -> Task:
    """The task in a folder; its rows are read when they are asked for.

    Raises:
        InputError: card or rows are missing or damaged, or the folder's name is not the card's.
    """
    card = read_card(folder / CARD)
    if card.name != folder.name:
        raise InputError(
            f"The task in folder {str(folder)!r} calls itself {card.name!r}. Rename one of the two."
        )
    sizes = {split: _n_rows(folder, split) for split in SPLITS}
    return task_of(card, sizes, lambda split: _rows(folder, split))


def task_of(
    card: TaskCard, sizes: dict[Split, int], load: Callable[[Split], list[Example]]
) -> Task:
    """The task that a card is about, its rows wherever `load` finds them."""
    return Task(
        name=card.name,
        title=card.title,
        family=card.family,
        suite=SUITE,
        labels=card.labels,
        metric=card.metric,
        suffix=card.suffix,
        max_new_tokens=card.max_new_tokens,
        role="",
        sizes=sizes,
        load=load,
        wordings=card.prompts.wordings,
        notes=tuple(card.origin.get("notes", ())),
    )


def write_task(folder: Path, card: TaskCard, rows: dict[Split, list[Example]]) -> None:
    """Write a task into a new folder that `read_task` reads; the card comes last."""
    folder.mkdir(parents=True)
    for split in SPLITS:
        own = rows[split]
        columns = [[row.input for row in own], [row.target for row in own]]
        pq.write_table(pa.table(columns, schema=_SCHEMA), _file(folder, split), compression="zstd")
    write_card(folder / CARD, card)


def stamps(folder: Path) -> tuple[Stamp, ...]:
    """Stamps of all files of a task."""
    return tuple(map(stamp, (folder / CARD, *(_file(folder, split) for split in SPLITS))))


def _rows(folder: Path, split: Split) -> list[Example]:
    try:
        table = pq.read_table(_file(folder, split), schema=_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(folder, split, error) from error
    if any(column.null_count for column in table.columns):
        raise _damaged(folder, split, ValueError("a column is missing, or values in it"))
    pairs = zip(table["input"].to_pylist(), table["target"].to_pylist(), strict=True)
    return [Example(*pair) for pair in pairs]


def _n_rows(folder: Path, split: Split) -> int:
    try:
        n = int(pq.read_metadata(_file(folder, split)).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(folder, split, error) from error
    if n == 0:
        raise _damaged(folder, split, ValueError("there are none"))
    return n


def _file(folder: Path, split: Split) -> Path:
    return folder / f"{split}.parquet"


def _damaged(folder: Path, split: Split, error: Exception) -> InputError:
    said = str(error).splitlines()[0].rstrip(".")
    return InputError(
        f"The {split} rows of task {folder.name!r} cannot be read ({_file(folder, split)}): {said}."
        " Add the task again, or remove its folder."
    )
