"""Where tasks beside the pocket suite are read from: each path is a source of one or more tasks.

A source is told by what lies there:

- a folder with `instructions.json`: tasks as the SAPO authors released them (`authors`);
- a folder with `task.yaml`, or a folder of such folders: tasks that were added (`added`).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import added, authors
from sapo_analysis.tasks.base import Task


def tasks_in(sources: tuple[str, ...], taken: Collection[str] = ()) -> dict[str, Task]:
    """Every task of some sources by name, in the order of the sources.

    Raises:
        InputError: a source is not there, is none, or holds a task that cannot be read; or a name
            is taken or there twice.
    """
    found: dict[str, Task] = {}
    origin: dict[str, str] = dict.fromkeys(taken, "the pocket suite")
    for source in dict.fromkeys(sources):
        for name, task in _read(Path(source)).items():
            if name in origin:
                raise InputError(
                    f"Task {name!r} of {source!r} has the name of a task of {origin[name]}."
                    " Rename one of the two, or leave one source out."
                )
            found[name] = task
            origin[name] = repr(source)
    return found


def _read(path: Path) -> dict[str, Task]:
    if not path.exists():
        raise InputError(
            f"No tasks at {str(path)!r}: there is no such file or folder, seen from"
            f" {str(Path.cwd())!r}. Give the path from there, or a full one."
        )
    if (path / authors.INSTRUCTIONS).is_file():
        return _authors(path, _stamp(path / authors.INSTRUCTIONS))
    if path.is_dir():
        folders = [path] if (path / added.CARD).is_file() else sorted(path.iterdir())
        own = [folder for folder in folders if (folder / added.CARD).is_file()]
        return {folder.name: _added(folder, _stamp(folder / added.CARD)) for folder in own}
    raise InputError(
        f"{str(path)!r} is no source of tasks. Give a folder with {authors.INSTRUCTIONS}, or one"
        f" with {added.CARD}."
    )


def _stamp(path: Path) -> tuple[int, int]:
    # A task that was changed is read again; readers of an unchanged one share its examples.
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _authors(folder: Path, stamp: tuple[int, int]) -> dict[str, Task]:
    return authors.read_folder(folder)


@lru_cache(maxsize=512)
def _added(folder: Path, stamp: tuple[int, int]) -> Task:
    return added.read_task(folder)
