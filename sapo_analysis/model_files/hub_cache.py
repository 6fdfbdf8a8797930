"""The local cache of the Hugging Face hub: which models are in it, in which revisions.

Laid out by huggingface_hub: `models--ORG--NAME/` with `snapshots/COMMIT/` (links into `blobs/`) and
`refs/NAME`, which holds the commit that a branch or tag pointed to when it was fetched.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")


@dataclass(frozen=True)
class Snapshot:
    """One model of the cache at one commit."""

    id: str
    revision: str
    folder: Path


def cache_folder() -> Path:
    """Where the hub's library keeps what it fetches, by the variables that it reads itself."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", os.path.join(cache, "huggingface"))
    hub = os.path.join(home, "hub")
    named = os.environ.get("HF_HUB_CACHE", os.environ.get("HUGGINGFACE_HUB_CACHE", hub))
    return Path(os.path.expandvars(os.path.expanduser(named)))


def split_revision(name: str) -> tuple[str, str | None]:
    """`ID@REVISION` in its parts; the revision is None where none is named."""
    found, _, revision = name.partition("@")
    return found, revision or None


def cached_ids() -> list[str]:
    """Ids of the models in the cache that have a snapshot, whole or not."""
    return sorted(
        repository.name.removeprefix("models--").replace("--", "/", 1)
        for repository in cache_folder().glob("models--*")
        if any(repository.glob("snapshots/*"))
    )


def snapshots(model_id: str) -> list[Snapshot]:
    """Every snapshot of a model, the newest first."""
    folders = [path for path in _repository(model_id).glob("snapshots/*") if path.is_dir()]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [Snapshot(model_id, path.name, path) for path in folders]


def snapshot(model_id: str, revision: str | None) -> Snapshot | None:
    """The snapshot of a commit, branch or tag; without one, of `main`, else the newest.

    None where that is not in the cache.
    """
    found = snapshots(model_id)
    commit = revision if revision and COMMIT.fullmatch(revision) else None
    commit = commit or _commit_of(model_id, revision or MAIN)
    if commit is None and revision is None:
        return next(iter(found), None)
    return next((snapshot for snapshot in found if snapshot.revision == commit), None)


def reference(model_id: str, name: str) -> Path | None:
    """Where the cache keeps the commit of a branch or tag; None for what can be no such name."""
    if not _REVISION.fullmatch(name) or ".." in name.split("/"):
        return None
    return _repository(model_id) / "refs" / name


def _commit_of(model_id: str, name: str) -> str | None:
    path = reference(model_id, name)
    if path is None or not path.is_file():
        return None
    return path.read_text(encoding="utf-8").strip()


def _repository(model_id: str) -> Path:
    return cache_folder() / ("models--" + model_id.replace("/", "--"))
