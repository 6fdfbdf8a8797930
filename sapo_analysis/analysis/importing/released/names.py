"""Which task a folder means, and which strategy: by explicit tables, never by parts of a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sapo_analysis.errors import InputError
from sapo_analysis.spec import Strategy, as_strategy
from sapo_analysis.store.released import printable

TRACE = {
    "cstance": "C-STANCE",
    "fomc": "FOMC",
    "meet": "MeetingBank",
    "py150": "Py150",
    "sciqa": "ScienceQA",
    "numgulecm": "NumGLUE-cm",
}
"""What TRACE's stage folders call a task (the last as released, misspelt), and what scores do."""

METHODS = {
    "lorainc": "original+lora-inc",
    "loraincsapo": "sapo+lora-inc",
    "olora": "original+o-lora",
    "olorasapo": "sapo+o-lora",
}
"""Strategies by the released name of their folder, of which letters and digits count."""

OVERALL = "SUPERNI"
"""What the released code calls all test rows together, of TRACE too."""


def plain(name: str) -> str:
    """Letters and digits of a name, small: what two spellings of it share."""
    return "".join(c for c in name.casefold() if c.isalnum())


def strategy_of(above: Sequence[str]) -> tuple[Strategy, int] | None:
    """The strategy that a folder's path names, and where in the path; None if none does.

    Args:
        above: Names of folders, the nearest last.
    """
    for place in range(len(above) - 1, -1, -1):
        name = above[place]
        if released := METHODS.get(plain(name)):
            return as_strategy(released), place
        if "+" in name:
            try:
                return as_strategy(name), place
            except InputError:
                continue
    return None


def tasks_of(folders: Sequence[str], scored: Iterable[str]) -> dict[str, str]:
    """The task that each stage folder stands for, as scores name it.

    A folder's name is a scored task's, that task's beginning before the first `_` (`task195`), the
    released short name of a TRACE task, or differs from the task's in case and punctuation alone.

    Args:
        folders: Names of stage folders, without their numbers.
        scored: Names that scores are there for.

    Raises:
        InputError: a folder fits none or several, or two fit the same; both sides are listed.
    """
    names = [name for name in dict.fromkeys(scored) if name != OVERALL]
    found: dict[str, str] = {}
    wrong = []
    for folder in folders:
        fitting = _fitting(folder, names)
        if len(fitting) == 1:
            found[folder] = fitting[0]
        else:
            wrong.append(f"{folder!r} fits {' and '.join(map(repr, fitting)) or 'none'}")
    for name in dict.fromkeys(found.values()):
        same = [folder for folder, task in found.items() if task == name]
        if len(same) > 1:
            wrong.append(f"{' and '.join(map(repr, same))} all fit {name!r}")
    if wrong:
        raise InputError(
            f"Stage folders and scores do not name the same tasks: {'; '.join(wrong)}. Folders:"
            f" {printable(', '.join(folders))}. Scores: {printable(', '.join(names)) or 'none'}."
            " Rename the folders: a number, - and the task's name."
        )
    return found


def _fitting(folder: str, names: Sequence[str]) -> list[str]:
    """The tasks that a folder's name fits, by the first rule that any fits."""
    rules = (
        lambda name: name == folder,
        lambda name: name == TRACE.get(folder),
        lambda name: name.split("_")[0] == folder,
        lambda name: plain(name) == plain(folder),
    )
    for rule in rules:
        if fitting := [name for name in names if rule(name)]:
            return fitting
    return []
