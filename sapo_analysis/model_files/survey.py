"""All that is on this machine that could be a model, with what it lacks where it is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sapo_analysis.errors import InputError
from sapo_analysis.model_files import hub_cache
from sapo_analysis.model_files.files import ModelFiles
from sapo_analysis.model_files.finding import find_model
from sapo_analysis.model_files.places import RANDOM, in_models_dir, shipped_names


@dataclass(frozen=True)
class LocalModel:
    """A model that can be studied (`files`), or why one cannot (`problem`)."""

    name: str
    source: str
    """`shipped`, `models folder`, `hub cache` or `folder`."""
    folder: Path
    revision: str | None
    files: ModelFiles | None
    problem: str | None


def survey() -> list[LocalModel]:
    """The shipped models, those of the models folder, and every snapshot of the hub's cache."""
    found = [look_at(name, "shipped") for name in (*shipped_names(), RANDOM)]
    found += [look_at(name, "models folder", path) for name, path in in_models_dir().items()]
    for model_id in hub_cache.cached_ids():
        first = hub_cache.snapshot(model_id, None)
        for snapshot in hub_cache.snapshots(model_id):
            name = model_id if snapshot == first else f"{model_id}@{snapshot.revision}"
            found.append(look_at(name, "hub cache", snapshot.folder, snapshot.revision))
    return found


def look_at(
    name: str, source: str = "folder", folder: Path | None = None, revision: str | None = None
) -> LocalModel:
    """One model by name. What keeps it from being studied is told, not raised."""
    try:
        files = find_model(name)
    except InputError as error:
        return LocalModel(name, source, folder or Path(name), revision, None, str(error))
    return LocalModel(name, source, files.folder, files.revision, files, None)
