"""The pocket suite: small text tasks in six families, made by code from seeds.

Thirty are shipped; a file more in `data/tasks` is a task more.
"""

from __future__ import annotations

from functools import cache

from sapo_analysis.tasks.pocket.files import task_file, task_names
from sapo_analysis.tasks.pocket.sides import DECLARED, RETAINED, SHIPPED, TUNING, UNSEEN
from sapo_analysis.tasks.pocket.suite import SUITE as POCKET_SUITE
from sapo_analysis.tasks.pocket.suite import PocketTask

__all__ = [
    "DECLARED",
    "POCKET_SUITE",
    "RETAINED",
    "SHIPPED",
    "TUNING",
    "UNSEEN",
    "PocketTask",
    "pocket_task",
    "task_file",
    "task_names",
]


@cache
def pocket_task(name: str) -> PocketTask:
    """The generator of a task; an unknown name raises `InputError` with the known ones."""
    return PocketTask(name, task_file(name))
