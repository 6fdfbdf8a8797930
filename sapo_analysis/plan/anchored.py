"""A study with the paths it names written in full, so that it can go on from any folder."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.model_files import list_names
from sapo_analysis.spec import AnyStudy


def anchored(study: AnyStudy) -> AnyStudy:
    """The study with full paths of its tasks and of a model given as a folder.

    A run is resumed by servers and terminals that stand elsewhere than the one that began it.
    """
    changes: dict[str, object] = {}
    if study.tasks_from:
        changes["tasks_from"] = tuple(str(Path(path).absolute()) for path in study.tasks_from)
    if study.model not in list_names() and Path(study.model).is_dir():
        changes["model"] = str(Path(study.model).absolute())
    return study.model_copy(update=changes) if changes else study
