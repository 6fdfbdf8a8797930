"""A study with the paths it names written in full, so that it can go on from any folder."""

from __future__ import annotations

from pathlib import Path

from sapo_analysis.model_files import pinned
from sapo_analysis.spec import AnyStudy


def anchored(study: AnyStudy) -> AnyStudy:
    """The study with full paths of its tasks and of a model given as a folder.

    A run is resumed by servers and terminals that stand elsewhere than the one that began it, and
    maybe after a newer revision of its model was fetched: that of the hub's cache is named by its
    commit.
    """
    changes: dict[str, object] = {}
    if study.tasks_from:
        changes["tasks_from"] = tuple(str(Path(path).absolute()) for path in study.tasks_from)
    if (model := pinned(study.model)) != study.model:
        changes["model"] = model
    return study.model_copy(update=changes) if changes else study
