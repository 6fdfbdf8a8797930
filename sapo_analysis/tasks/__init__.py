"""Tasks by name, and what judges them.

The pocket suite is always there; `sources` are paths to further tasks: a folder of tasks that the
user added, folders as the SAPO authors released them, task files (`sapo_analysis.tasks.sources`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task, Wording
from sapo_analysis.tasks.metrics import correct, score
from sapo_analysis.tasks.pocket import POCKET_SUITE, pocket_task
from sapo_analysis.tasks.pocket import task_names as pocket_names
from sapo_analysis.tasks.sources import left_out_of, tasks_in

__all__ = [
    "POCKET_SUITE",
    "SPLITS",
    "Example",
    "Split",
    "Task",
    "Wording",
    "correct",
    "get_task",
    "left_out_of",
    "list_tasks",
    "pocket_names",
    "score",
    "task_names",
]


def get_task(name: str, data_seed: int = 0, sources: Sequence[str] = ()) -> Task:
    """The task of this name; `data_seed` decides which examples a pocket task draws.

    Raises:
        InputError: the name is unknown (the known ones are listed), or a source cannot be read or
            has a task of a name that is taken.
    """
    if name in pocket_names():
        return _pocket(name, data_seed)
    added = tasks_in(tuple(sources), pocket_names())
    if name not in added:
        if reason := left_out_of(tuple(sources)).get(name):
            raise InputError(f"Task {name!r} cannot be used: {reason}.")
        hint = "`sapo tasks` lists them; of tasks of your own a study names the folder or file."
        raise unknown("task", name, [*pocket_names(), *added], hint)
    return added[name]


@cache
def _pocket(name: str, data_seed: int) -> Task:
    # Built once, so that the examples a task has loaded are shared by all its readers.
    return pocket_task(name).task(data_seed)


def task_names(sources: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of all tasks: the pocket suite's, then those of the sources.

    Raises:
        InputError: a source cannot be read.
    """
    return (*pocket_names(), *tasks_in(tuple(sources), pocket_names()))


def list_tasks(data_seed: int = 0, sources: Sequence[str] = ()) -> list[Task]:
    """Every task, families together, in alphabetical order within a family; sources come after.

    Raises:
        InputError: a source cannot be read.
    """

    def in_order(tasks: list[Task]) -> list[Task]:
        return sorted(tasks, key=lambda task: (task.family, task.name))

    pocket = [_pocket(name, data_seed) for name in pocket_names()]
    return in_order(pocket) + in_order(list(tasks_in(tuple(sources), pocket_names()).values()))
