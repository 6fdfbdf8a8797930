"""Tasks by name, and what judges them."""

from __future__ import annotations

from functools import cache

from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.metrics import correct, score
from sapo_analysis.tasks.pocket import pocket_task, task_names

__all__ = [
    "SPLITS",
    "Example",
    "Split",
    "Task",
    "correct",
    "get_task",
    "list_tasks",
    "score",
    "task_names",
]


def get_task(name: str, data_seed: int = 0) -> Task:
    """The task of this name; `data_seed` decides which examples it draws.

    Raises:
        InputError: the name is unknown; the known ones are listed.
    """
    return _task(name, data_seed)


@cache
def _task(name: str, data_seed: int) -> Task:
    # Built once, so that the examples a task has loaded are shared by all its readers.
    return pocket_task(name).task(data_seed)


def list_tasks(data_seed: int = 0) -> list[Task]:
    """Every task, families together, in alphabetical order within a family."""
    tasks = [get_task(name, data_seed) for name in task_names()]
    return sorted(tasks, key=lambda task: (task.family, task.name))
