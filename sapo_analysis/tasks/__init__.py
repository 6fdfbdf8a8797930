"""Tasks by name, and what judges them."""

from __future__ import annotations

from functools import cache

from sapo_analysis.errors import unknown
from sapo_analysis.tasks.base import SPLITS, Example, Split, Task
from sapo_analysis.tasks.metrics import correct, score
from sapo_analysis.tasks.pocket import POCKET

__all__ = ["SPLITS", "Example", "Split", "Task", "correct", "get_task", "list_tasks", "score"]


@cache
def _tasks() -> dict[str, Task]:
    # Built once, so that the examples a task has loaded are shared by all its readers.
    return {name: pocket.task() for name, pocket in POCKET.items()}


def get_task(name: str) -> Task:
    """The task of this name; an unknown name raises `InputError` with the known ones."""
    if name not in _tasks():
        raise unknown("task", name, list(_tasks()), "`sapo tasks` lists them.")
    return _tasks()[name]


def list_tasks() -> list[Task]:
    """Every task, families together, in suite order."""
    return list(_tasks().values())
