"""A model by its name: which names are known here, and which files each stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.model_files import hub_cache
from sapo_analysis.model_files.checks import check_folder, not_causal
from sapo_analysis.model_files.files import ModelFiles
from sapo_analysis.model_files.hub_cache import Snapshot, split_revision
from sapo_analysis.model_files.places import (
    DATA,
    POCKET,
    RANDOM,
    RANDOM_PREFIX,
    in_models_dir,
    shipped_names,
)
from sapo_analysis.model_files.weights import json_object, weight_files

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_remote_code: ContextVar[bool] = ContextVar("remote_code", default=False)


@contextmanager
def remote_code(allowed: bool) -> Iterator[None]:
    """Until it is left, models found may run code that their folders bring along, if `allowed`."""
    token = _remote_code.set(allowed)
    try:
        yield
    finally:
        _remote_code.reset(token)


def find_model(name: str) -> ModelFiles:
    """The files of a model given by name, folder, or id in the hub's local cache.

    An id may carry a revision (`ID@REVISION`: a commit, branch or tag as the cache knows it), and
    any name may follow `random:`, for the same architecture and tokenizer with random weights.

    Raises:
        InputError: the name is unknown or not on this machine, or the folder holds no whole causal
            language model in safetensors, or its pretraining is not done.
    """
    if name.startswith(RANDOM_PREFIX):
        return _untrained(name)
    if name in shipped_names():
        return ModelFiles(name, DATA / name, "trained", name)
    if name == RANDOM:
        return ModelFiles(name, POCKET, "random", name)
    if (known := in_models_dir().get(name)) is not None:
        return _checked(ModelFiles(name, known, "trained", name))
    if (snapshot := _snapshot(name)) is not None:
        found = ModelFiles(name, snapshot.folder, "trained", snapshot.id, snapshot.revision)
        return _checked(found)
    folder = Path(name)
    if not os.path.isdir(folder):  # Path.is_dir would raise where it can be no path
        raise _not_here(name)
    return _checked(ModelFiles(name, folder, "trained", folder.absolute().name))


def list_names() -> list[str]:
    """Every model known by name here: the shipped ones first, then those found on this machine.

    What lacks files is left out; `sapo models` lists it with what it lacks.
    """
    others = {name for name, folder in in_models_dir().items() if _seems_whole(folder)}
    for model_id in hub_cache.cached_ids():
        snapshot = hub_cache.snapshot(model_id, None)
        if snapshot is not None and _seems_whole(snapshot.folder):
            others.add(model_id)
    return [*shipped_names(), RANDOM, *sorted(others)]


def list_models() -> list[ModelFiles]:
    """The files of every model known by name that can be studied."""
    found = []
    for name in list_names():
        try:
            found.append(find_model(name))
        except InputError:  # an encoder, say: many caches hold some
            continue
    return found


def pinned(name: str) -> str:
    """The name under which the same files are found later, from any folder.

    A folder by its full path, a model of the cache by the commit it is at now.
    """
    if name.startswith(RANDOM_PREFIX):
        return RANDOM_PREFIX + pinned(name.removeprefix(RANDOM_PREFIX))
    if name in (*shipped_names(), RANDOM) or name in in_models_dir():
        return name
    if (snapshot := _snapshot(name)) is not None:
        return f"{snapshot.id}@{snapshot.revision}"
    return str(Path(name).absolute()) if os.path.isdir(name) else name


def is_hub_id(name: str) -> bool:
    """Whether a name, less its revision, has the form of an id on the hub."""
    return _HUB_ID.fullmatch(split_revision(name)[0]) is not None


def _untrained(name: str) -> ModelFiles:
    base = find_model(name.removeprefix(RANDOM_PREFIX))
    if base.weights == "random" or base.folder == POCKET:
        return find_model(RANDOM) if base.folder == POCKET else base
    label = RANDOM_PREFIX + base.label
    return replace(base, name=RANDOM_PREFIX + base.name, weights="random", label=label)


def _snapshot(name: str) -> Snapshot | None:
    model_id, revision = split_revision(name)
    return hub_cache.snapshot(model_id, revision)


def _checked(files: ModelFiles) -> ModelFiles:
    if files.revision is None:
        what, again = f"Model folder {files.name!r}", "Copy the whole model folder again."
    else:
        what = f"Model {files.label!r} at revision {files.revision}"
        again = f"Fetch it again: sapo fetch {files.label}@{files.revision}"
    check_folder(files.folder, what, again)
    return replace(files, remote_code=_remote_code.get())


def _seems_whole(folder: Path) -> bool:
    """A quick look for lists; whoever takes the model checks it in full."""
    config, files = json_object(folder / "config.json"), weight_files(folder)
    whole = bool(config and files) and all(path.is_file() for path in files)
    return whole and not_causal(config) is None


def _not_here(name: str) -> InputError:
    model_id, revision = split_revision(name)
    here = [snapshot.revision for snapshot in hub_cache.snapshots(model_id)]
    if here and revision is not None:
        return InputError(
            f"Model {model_id} is on this machine at {', '.join(here)}, not at {revision!r}."
            f" Fetch that: sapo fetch {name}"
        )
    if is_hub_id(name):
        return InputError(
            f"Model {name!r} is not on this machine, and studies fetch nothing by themselves."
            f" `sapo models` lists what is here. If it is on the hub: sapo fetch {name}"
        )
    return unknown(
        "model",
        name,
        list_names(),
        "Give a known name, a folder with config.json and safetensors, or fetch a model of the hub:"
        " sapo fetch ID.",
    )
