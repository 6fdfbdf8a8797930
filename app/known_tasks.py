"""The tasks that pages offer: the pocket suite's, those added to the runs folder, those of a study.

One that cannot be read is named and left out; the others are offered all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sapo_analysis.app.data import own_folder
from sapo_analysis.errors import InputError
from sapo_analysis.tasks import Task, list_tasks, pocket_names
from sapo_analysis.tasks.added import CARD, FOLDER
from sapo_analysis.tasks.sources import tasks_in


@dataclass(frozen=True)
class KnownTasks:
    """Tasks by name, the pocket suite's first.

    `source` has the path that a study names to find a task, of those beside the suite. `given` are
    the names that the paths of a study hold. `damage` says which tasks cannot be read.
    """

    tasks: dict[str, Task]
    source: dict[str, str]
    given: frozenset[str] = frozenset()
    damage: tuple[str, ...] = ()

    def sources_of(self, names: Sequence[str]) -> list[str]:
        """The paths that a study of these tasks has to name, each once."""
        return list(dict.fromkeys(self.source[name] for name in names if name in self.source))

    def stamp(self, name: str) -> str:
        """Changes when a task of this name is another one: what is cached of it hangs on it."""
        source = self.source.get(name)
        if source is None:
            return name
        card = Path(source) / CARD
        return f"{source}|{card.stat().st_mtime_ns if card.is_file() else 0}"


def known_tasks(given: Sequence[str] = ()) -> KnownTasks:
    """Every task there is to choose from.

    Args:
        given: Paths that a study names; a task of theirs comes before an added one of its name.
    """
    tasks = {task.name: task for task in list_tasks()}
    source: dict[str, str] = {}
    damage = []
    for path in (*given, *_added()):
        try:
            found = tasks_in((path,), pocket_names())
        except InputError as error:
            damage.append(str(error))
            continue
        for name, task in found.items():
            if name not in tasks:
                tasks[name] = task
                source[name] = path
    own = frozenset(name for name, path in source.items() if path in given)
    return KnownTasks(tasks, source, own, tuple(damage))


def _added() -> list[str]:
    """Each added task by its own folder, so that one that is damaged takes no other along."""
    folder = own_folder() / FOLDER
    cards = sorted(folder.glob(f"*/{CARD}")) if folder.is_dir() else []
    # One that is being written has a dot before its name.
    return [str(card.parent) for card in cards if not card.parent.name.startswith(".")]
