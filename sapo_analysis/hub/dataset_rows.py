"""Rows of a dataset, streamed: of the Hugging Face hub at one commit, or of a folder.

Datasets that consist of a loading script are not read: `datasets` runs none, and no code of a
dataset's author is ever run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sapo_analysis.errors import InputError, SapoError, WorkError, unknown
from sapo_analysis.hub.asking import ask
from sapo_analysis.hub.refusals import explain, gated
from sapo_analysis.hub.subject import Subject
from sapo_analysis.tasks.base import Split
from sapo_analysis.tasks.card import HUB_SPLIT, HubData

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class DatasetRows:
    """Rows by split, read when they are gone through; `revision` is None for a folder."""

    revision: str | None
    tables: dict[Split, Iterable[Row]]


def open_dataset(
    data: HubData, columns: Iterable[str], again: str, beside: Path | None = None
) -> DatasetRows:
    """Find a dataset with its subset, splits and columns, before any row is read.

    Args:
        data: Which dataset, commit, subset and splits.
        columns: The columns that are needed; the others are not read.
        again: The command that asks for this, for messages.
        beside: The folder from which a dataset's folder is looked for, then the working folder.

    Raises:
        InputError: dataset, commit, subset, split or column is not there (the known ones are
            listed), or it needs a script or the permission of its owners.
        WorkError: the hub cannot be reached.
    """
    subject = Subject("dataset", data.hub, data.revision, again)
    folder = None if data.revision else _folder(data.hub, beside)
    if folder is None:
        revision = _commit(subject)
        # Never a folder that happens to be called like the dataset.
        path = f"hf://datasets/{data.hub}"
    else:
        revision = None
        path = str(folder)
    with _explained(subject, folder):
        streams = _streams(path, data, revision)
        tables: dict[Split, Iterable[Row]] = {
            split: _checked(streams, data, split, tuple(columns), subject, folder)
            for split in data.splits
        }
    return DatasetRows(revision, tables)


def _folder(name: str, beside: Path | None) -> Path | None:
    places = [Path(name)] if beside is None else [beside / name, Path(name)]
    return next((place.resolve() for place in places if place.is_dir()), None)


def _commit(subject: Subject) -> str:
    """The commit that the hub has for a revision; the first question, so that it fails fast."""
    from huggingface_hub import HfApi

    if not _HUB_ID.fullmatch(subject.id):
        raise InputError(
            f"{subject.id!r} is neither a folder here nor a name of the hub (OWNER/NAME). Correct"
            " `hub` in the card."
        )

    def question(seconds: float) -> str:
        api = HfApi()
        return str(api.dataset_info(subject.id, revision=subject.revision, timeout=seconds).sha)

    return ask(question, subject)


def _streams(path: str, data: HubData, revision: str | None) -> Mapping[str, Any]:
    from datasets import get_dataset_config_names, load_dataset_builder
    from datasets.utils.logging import disable_progress_bar, set_verbosity_error

    set_verbosity_error()
    disable_progress_bar()
    try:
        builder = load_dataset_builder(path, data.subset, revision=revision)
    except ValueError as error:
        if "onfig" not in str(error):
            raise
        known = get_dataset_config_names(path, revision=revision)
        hint = f"Write one of them as `subset` into the card of {data.hub!r}."
        if data.subset is None:
            raise InputError(f"{data.hub!r} has subsets: {', '.join(known)}. {hint}") from error
        raise unknown("subset", data.subset, known, hint) from error
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        raise InputError(
            f"Dataset {data.hub!r} is made by a script, which is not run. Look on the hub for a"
            " copy of it in parquet files, and name that in the card."
        ) from error
    if revision is not None and builder.hash != revision:
        # When the hub falls silent half-way, `datasets` looks for any commit in its cache.
        raise WorkError(
            f"The hub stopped answering before {data.hub!r} was there at {revision}. Try again."
        )
    streams: Mapping[str, Any] = builder.as_streaming_dataset()
    return streams


def _checked(
    streams: Mapping[str, Any],
    data: HubData,
    split: Split,
    columns: tuple[str, ...],
    subject: Subject,
    folder: Path | None,
) -> Iterable[Row]:
    part = re.fullmatch(HUB_SPLIT, data.splits[split])
    assert part is not None, "the card's schema holds splits to this form"
    name, start, stop = part["name"], part["start"], part["stop"]
    if name not in streams:
        hint = f"It is `splits.{split}` of the card."
        raise unknown(f"split of {data.hub!r}", name, list(streams), hint)
    stream = streams[name]
    there = stream.column_names or list(next(iter(stream), {}))
    wanted = dict.fromkeys(c if c in there else c.split(".")[0] for c in columns)
    for column in wanted:
        if there and column not in there:
            raise unknown(f"column of {data.hub!r}", column, there, "See `columns` of the card.")
    first, last = int(start or 0), int(stop) if stop else None
    return _Part(stream.select_columns(list(wanted)), first, last, subject, folder)


@dataclass(frozen=True)
class _Part:
    stream: Any
    start: int
    stop: int | None
    subject: Subject
    folder: Path | None

    def __iter__(self) -> Iterator[Row]:
        with _explained(self.subject, self.folder):
            yield from islice(self.stream, self.start, self.stop)


@contextmanager
def _explained(subject: Subject, folder: Path | None) -> Iterator[None]:
    """Turn what `datasets` and the libraries under it raise into one message."""
    import pyarrow as pa
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from datasets.table import CastError

    try:
        yield
    except SapoError:
        raise
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        if folder is not None:
            raise InputError(
                f"{str(folder)!r} cannot be read as a dataset: {said}. It should hold parquet, JSON"
                " lines or CSV files named after their splits."
            ) from error
        if isinstance(error, DatasetNotFoundError) and "gated" in said:
            raise gated(subject) from error
        if isinstance(error, DatasetsError | EmptyDatasetError | CastError | pa.ArrowException):
            raise InputError(
                f"Dataset {subject.id!r} cannot be read: {said}. Look at its files at"
                f" {subject.page}/tree/main"
            ) from error
        raise explain(error, subject) from error
