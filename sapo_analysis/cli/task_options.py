"""Where commands find tasks beside the pocket suite: `--from` and the runs folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sapo_analysis.tasks import pocket_names
from sapo_analysis.tasks.added import CARD, FOLDER

FromOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        metavar="PATH",
        help="A folder of tasks (with instructions.json, or with task.yaml), or a task file of"
        " Super-NaturalInstructions; may be repeated. --runs is then not looked at.",
    ),
]
TaskRunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Folder whose added tasks are known too.")
]


def sources_of(given: list[Path] | None, runs: Path, task: str | None = None) -> tuple[str, ...]:
    """The sources of tasks that a command was given, in full: what `tasks_from` of a study takes.

    With a task's name the one folder that holds it where it was added, so that a damaged
    neighbour is in nobody's way.
    """
    if given:
        return tuple(str(path.absolute()) for path in given)
    if task in pocket_names():
        return ()
    added = (runs / FOLDER).absolute()
    if task is not None and (added / task / CARD).is_file():
        return (str(added / task),)
    return (str(added),) if added.is_dir() else ()
