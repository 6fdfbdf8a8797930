"""Where tasks beside the pocket suite are read from: each path is a source of one or more tasks.

A source is told by what lies there:

- a folder with `instructions.json`: tasks as the SAPO authors released them (`authors`);
- a folder with `task.yaml`, or a folder of such folders: tasks that were added (`added`);
- a file `NAME.json`: a task of Super-NaturalInstructions (`super_ni`).

What was read is kept until a file changes, so that listing tasks again reads no rows.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import added, authors, super_ni
from sapo_analysis.tasks.base import Task
from sapo_analysis.tasks.source import Source, Stamp

_NAMED = 8
"""Folders that a message names."""


def tasks_in(sources: tuple[str, ...], taken: Collection[str] = ()) -> dict[str, Task]:
    """Every task of some sources by name, in the order of the sources.

    Raises:
        InputError: a source is not there, is none, or holds no task that can be read; or a name is
            taken or there twice.
    """
    found: dict[str, Task] = {}
    origin: dict[str, str] = dict.fromkeys(taken, "the pocket suite")
    for source in dict.fromkeys(sources):
        for name, task in read_source(Path(source)).tasks.items():
            if name in origin:
                raise InputError(
                    f"Task {name!r} of {source!r} has the name of a task of {origin[name]}."
                    " Rename one of the two, or leave one source out."
                )
            found[name] = task
            origin[name] = repr(source)
    return found


def left_out_of(sources: tuple[str, ...]) -> dict[str, str]:
    """Tasks that some sources name and that cannot be used, each with the reason.

    Raises:
        InputError: as `tasks_in`.
    """
    return {
        name: reason
        for source in dict.fromkeys(sources)
        for name, reason in read_source(Path(source)).left_out.items()
    }


def read_source(path: Path) -> Source:
    """What lies at a path.

    Raises:
        InputError: nothing, or nothing that is a source; or no task in it can be used.
    """
    if not os.path.exists(path):  # it may be no possible path; Path.exists would raise
        raise InputError(
            f"No tasks at {str(path)!r}: there is no such file or folder, seen from"
            f" {str(Path.cwd())!r}. Give the path from there, or a full one."
        )
    if (path / authors.INSTRUCTIONS).is_file():
        found = authors.read_folder(path)
    elif path.is_dir():
        found = _added_in(path)
    elif path.suffix == ".json":
        found = super_ni.read_file(path)
    else:
        raise InputError(
            f"{str(path)!r} is no source of tasks. Give a folder with {authors.INSTRUCTIONS}, one"
            f" with {added.CARD}, or a task file of Super-NaturalInstructions. A table of rows is"
            " made a task by `sapo add-task`."
        )
    if not found.tasks and found.left_out:
        reasons = "".join(f"\n- {name}: {why}" for name, why in found.left_out.items())
        raise InputError(f"No task of {str(path)!r} can be used:{reasons}")
    # The folder of a runs folder's added tasks is one also after the last was removed.
    if not found.tasks and path.is_dir() and path.name != added.FOLDER:
        raise InputError(
            f"{str(path)!r} holds no task: it has no {authors.INSTRUCTIONS}, and no folder with"
            f" {added.CARD}.{_sources_within(path)}"
        )
    return found


def _sources_within(path: Path) -> str:
    """What to give in place of a folder without tasks, as far as that is seen within it."""
    entries = sorted(path.iterdir())
    folders = [
        entry
        for entry in entries
        if entry.is_dir()
        and ((entry / authors.INSTRUCTIONS).is_file() or next(entry.glob(f"*/{added.CARD}"), None))
    ]
    if folders:
        more = f" and {len(folders) - _NAMED:,} more" if len(folders) > _NAMED else ""
        named = ", ".join(repr(str(folder)) for folder in folders[:_NAMED])
        return f" Folders of tasks lie in it: give {named}{more}."
    files = [entry for entry in entries if entry.suffix == ".json"]
    if files and super_ni.is_task_file(files[0]):
        return f" Give its task files one by one, such as {str(files[0])!r}."
    return " Give a folder that has one of these, or a task file of Super-NaturalInstructions."


def _added_in(path: Path) -> Source:
    if (path / added.CARD).is_file():
        folders = [path]
    else:
        # A name with a dot is a task that is being written.
        within = (folder for folder in path.iterdir() if not folder.name.startswith("."))
        folders = sorted(folder for folder in within if (folder / added.CARD).is_file())
    tasks: dict[str, Task] = {}
    left_out: dict[str, str] = {}
    for folder in folders:
        found = _added(folder, added.stamps(folder))
        if isinstance(found, Task):
            tasks[folder.name] = found
        else:
            left_out[folder.name] = found
    return Source(tasks, left_out)


@lru_cache(maxsize=512)
def _added(folder: Path, stamps: tuple[Stamp, ...]) -> Task | str:
    try:
        return added.read_task(folder)
    except InputError as error:
        return str(error).rstrip(".")
