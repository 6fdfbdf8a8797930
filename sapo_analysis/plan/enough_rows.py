"""Whether the tasks of a study have as many examples as it asks for."""

from __future__ import annotations

from collections.abc import Iterable

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.base import Split, Task

Wanted = tuple[Task, Split, str, int]
"""A task, a split, the setting that asks for its first examples, and for how many."""


def check_enough_rows(wanted: Iterable[Wanted]) -> None:
    """Refuse a study whose tasks have fewer examples than its settings ask for.

    Raises:
        InputError: with a line per such setting, which names the task that has least.
    """
    least: dict[tuple[str, Split], tuple[Task, int]] = {}
    for task, split, setting, n in wanted:
        size = len(task.examples(split))
        known = least.get((setting, split))
        if n > size and (known is None or size < len(known[0].examples(split))):
            least[setting, split] = task, n
    if not least:
        return
    lines = []
    for (setting, split), (task, n) in least.items():
        size = len(task.examples(split))
        lines.append(
            f"  {setting}: task {task.name!r} has {size} {split} examples, {n} were asked for."
            f" Ask for at most {size}."
        )
    raise InputError("\n".join(["A task has fewer examples than the study asks for.", *lines]))
