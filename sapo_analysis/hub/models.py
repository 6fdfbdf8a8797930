"""A model of the hub: what fetching it would bring, and fetching it into the local cache."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError, WorkError
from sapo_analysis.hub.asking import ask
from sapo_analysis.hub.choosing import wanted
from sapo_analysis.hub.refusals import explain
from sapo_analysis.hub.subject import Subject, endpoint
from sapo_analysis.model_files import cache_folder, split_revision
from sapo_analysis.model_files.hub_cache import COMMIT, MAIN, reference

_MARGIN = 1.05
_MARGIN_BYTES = 100_000_000
"""Space that has to be free beyond what is fetched: a full disk stops more than a download."""


@dataclass(frozen=True)
class HubFile:
    """One file to fetch: its name and size (bytes), and whether the cache has it."""

    name: str
    n_bytes: int
    is_here: bool


@dataclass(frozen=True)
class Offer:
    """What fetching a model would bring: its files at one commit."""

    revision: str
    gated: bool
    files: tuple[HubFile, ...]

    @property
    def missing(self) -> list[HubFile]:
        """Files that the cache lacks, the small ones first: what can be refused is so at once."""
        lacking = [file for file in self.files if not file.is_here]
        return sorted(lacking, key=lambda file: file.n_bytes)

    @property
    def missing_bytes(self) -> int:
        """Their size."""
        return sum(file.n_bytes for file in self.missing)


def offered(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What fetching `payload["model"]` would bring: the worker's kind `hub_model`."""
    subject = _subject(payload)
    return _answer(subject, _offer(subject, bool(payload.get("trust_remote_code"))))


def fetch(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch a model into the cache, telling progress on standard error: the kind `fetch_model`.

    Raises:
        InputError: it is not there, not for this user, or no causal model in safetensors.
        WorkError: no network, no space, or the download broke off; whole files are kept.
    """
    subject = _subject(payload)
    offer = _offer(subject, bool(payload.get("trust_remote_code")))
    _say(
        f"{subject.id} at {offer.revision}: {len(offer.files)} files,"
        f" {_size(sum(file.n_bytes for file in offer.files))};"
        f" to fetch: {len(offer.missing)}, {_size(offer.missing_bytes)}, into {cache_folder()}"
    )
    _check_space(offer, subject)
    _download(offer, subject)
    _note_reference(offer, subject)
    return _answer(subject, offer)


def _subject(payload: Mapping[str, Any]) -> Subject:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    name = str(payload["model"])
    model_id, revision = split_revision(name)
    try:
        validate_repo_id(model_id)
    except HFValidationError:
        raise InputError(
            f"{name!r} is no id of the hub. Give ORG/NAME or ORG/NAME@REVISION."
        ) from None
    flag = " --trust-remote-code" if payload.get("trust_remote_code") else ""
    return Subject("model", model_id, revision, f"sapo fetch {name}{flag}")


def _offer(subject: Subject, remote_code: bool) -> Offer:
    """Ask the hub for the files of a revision, and choose."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint())
    info = ask(
        lambda seconds: api.model_info(
            subject.id, revision=subject.revision or MAIN, timeout=seconds, files_metadata=True
        ),
        subject,
    )
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    names = wanted(list(siblings), info.config or {}, remote_code, subject)
    folder = _snapshot(subject, str(info.sha))
    files = tuple(
        HubFile(name, int(siblings[name].size or 0), (folder / name).is_file()) for name in names
    )
    return Offer(str(info.sha), bool(info.gated), files)


def _snapshot(subject: Subject, revision: str) -> Path:
    repository = "models--" + subject.id.replace("/", "--")
    return cache_folder() / repository / "snapshots" / revision


def _check_space(offer: Offer, subject: Subject) -> None:
    """Before anything is fetched: a disk that fills up in the middle stops other work too."""
    if not offer.missing:
        return
    needed = int(offer.missing_bytes * _MARGIN) + _MARGIN_BYTES
    cache = cache_folder()
    there = next(path for path in (cache, *cache.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise WorkError(
            f"{_size(needed)} are needed in {cache} (with a margin), and {_size(free)} are free."
            f" Free some, or set HF_HOME to a folder on another disk, then: {subject.again}"
        )


def _download(offer: Offer, subject: Subject) -> None:
    """Each missing file in turn. What is whole stays, so a second try goes on with the rest."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    for i, file in enumerate(offer.missing):
        _say(f"  {i + 1} of {len(offer.missing)}: {file.name}, {_size(file.n_bytes)}")
        try:
            hf_hub_download(
                subject.id,
                file.name,
                revision=offer.revision,
                cache_dir=cache_folder(),
                endpoint=endpoint(),
            )
        except Exception as error:
            raise explain(error, subject) from error


def _note_reference(offer: Offer, subject: Subject) -> None:
    """Write down what the branch or tag points to, once all of it is here and not before."""
    name = subject.revision or MAIN
    path = None if COMMIT.fullmatch(name) else reference(subject.id, name)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(offer.revision, encoding="utf-8")


def _answer(subject: Subject, offer: Offer) -> dict[str, Any]:
    return {
        "name": subject.id,
        "revision": offer.revision,
        "gated": offer.gated,
        "page": subject.page,
        "folder": str(_snapshot(subject, offer.revision)),
        "files": [
            {"name": file.name, "n_bytes": file.n_bytes, "is_here": file.is_here}
            for file in offer.files
        ],
        "n_bytes": sum(file.n_bytes for file in offer.files),
        "missing_bytes": offer.missing_bytes,
    }


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
