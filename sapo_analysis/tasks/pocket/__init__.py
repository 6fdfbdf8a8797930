"""The pocket suite: thirty small text tasks in six families, made by code from seeds."""

from __future__ import annotations

from functools import cache

from sapo_analysis.tasks.pocket.files import task_file, task_names
from sapo_analysis.tasks.pocket.suite import PocketTask

__all__ = ["PocketTask", "declared_tasks", "pocket_task", "task_file", "task_names", "tuning_tasks"]


@cache
def pocket_task(name: str) -> PocketTask:
    """The generator of a task; an unknown name raises `InputError` with the known ones."""
    return PocketTask(name, task_file(name))


def tuning_tasks() -> tuple[str, ...]:
    """Every third half-known task of the alphabetical list, the first among them.

    All choices about this world and its training settings were made on these, with the model
    `pocket` and data seeds below 1000; `declared_tasks` are the other half-known ones.
    """
    return _half_known()[::3]


def declared_tasks() -> tuple[str, ...]:
    """The half-known tasks on which the shipped studies report; nothing was tuned on them."""
    return tuple(name for name in _half_known() if name not in tuning_tasks())


def _half_known() -> tuple[str, ...]:
    return tuple(name for name in task_names() if task_file(name).role == "half known")
