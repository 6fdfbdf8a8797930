"""The pocket suite: seventeen small text tasks in four families, made by code from fixed seeds."""

from __future__ import annotations

from sapo_analysis.tasks.pocket import mapping, meaning, numbers, text
from sapo_analysis.tasks.pocket.suite import PocketTask

POCKET: dict[str, PocketTask] = {
    task.name: task for family in (meaning, text, numbers, mapping) for task in family.TASKS
}

__all__ = ["POCKET", "PocketTask"]
