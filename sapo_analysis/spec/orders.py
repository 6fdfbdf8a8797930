"""Orders of tasks given as folders, in the layout of the SAPO authors' `CL_configs`.

A folder holds one folder per stage, its number first (`1-task195`, `2-task1310`, … `10-task363`),
and in each `train_tasks.json`: a list of one entry whose `dataset_name` is the task. Stages follow
their numbers. What a stage tests is not read: a study tests every task after each stage.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError

TRAIN_TASKS = "train_tasks.json"
_STAGE = re.compile(r"(\d+)(?!\d).*")
_LAYOUT = f"Give a folder of folders 1-…, 2-…, … with {TRAIN_TASKS} each, or the tasks as a list"


def with_folders_read(orders: Any) -> Any:
    """The same orders, with the tasks in place of each folder.

    `orders` is what a spec says: a folder; a list of tasks; a list of such lists and of folders. In
    a list of texts those are folders that have a slash, or that hold numbered folders.

    Raises:
        InputError: a folder is not there, or a stage of it does not name one task.
    """
    if isinstance(orders, str):
        return (read_order(Path(orders)),)
    if isinstance(orders, list | tuple) and any(_is_folder(order) for order in orders):
        return tuple(
            read_order(Path(order)) if isinstance(order, str) else order for order in orders
        )
    return orders


def read_order(folder: Path) -> tuple[str, ...]:
    """The tasks of a folder in the order of its stages.

    Raises:
        InputError: as `with_folders_read`.
    """
    if not folder.is_dir():
        raise InputError(
            f"orders: there is no folder {str(folder)!r}, seen from {str(Path.cwd())!r}. {_LAYOUT}."
        )
    stages: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        found = _STAGE.fullmatch(path.name)
        if found is None:
            raise InputError(
                f"orders: {str(path)!r} is no stage, its name does not begin with a number."
                f" {_LAYOUT}."
            )
        number = int(found.group(1))
        if number in stages:
            raise InputError(
                f"orders: {stages[number].name!r} and {path.name!r} in {str(folder)!r} have one"
                " number. Give each stage its own."
            )
        stages[number] = path
    if not stages:
        raise InputError(f"orders: {str(folder)!r} has no stages. {_LAYOUT}.")
    return tuple(_task(stages[number] / TRAIN_TASKS) for number in sorted(stages))


def _task(path: Path) -> str:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"orders: cannot read {str(path)!r}: {error}. {_LAYOUT}.") from error
    names = [
        entry.get("dataset_name") if isinstance(entry, dict) else None
        for entry in (entries if isinstance(entries, list) else [entries])
    ]
    if len(names) != 1 or not isinstance(names[0], str) or not names[0]:
        said = "has no dataset_name" if len(names) == 1 else f"names {len(names)} tasks, not one"
        raise InputError(f'orders: {str(path)!r} {said}. Write [{{"dataset_name": "TASK"}}].')
    return names[0]


def _is_folder(order: Any) -> bool:
    if not isinstance(order, str):
        return False
    if "/" in order or "\\" in order:
        return True
    path = Path(order)
    return path.is_dir() and any(_STAGE.fullmatch(inner.name) for inner in path.iterdir())
