"""Run folders among others: making one, finding one, listing them."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from sapo_analysis.errors import InputError, RunError, unknown
from sapo_analysis.spec import AnyStudy, to_json
from sapo_analysis.store.access import refuse_if_read_only, writing_into
from sapo_analysis.store.conditions import Conditions
from sapo_analysis.store.layout import (
    CONDITIONS,
    LOCK,
    REUSED,
    SPEC,
    STATUS,
    TABLES,
    write_atomically,
    write_model,
)
from sapo_analysis.store.reader import DamagedRun, Run, open_run
from sapo_analysis.store.status import Status
from sapo_analysis.store.writer import parquet

_PACKAGE = Path(__file__).resolve().parent.parent
CACHED_RUNS = next(
    (p for p in (_PACKAGE / "cached_runs", _PACKAGE.parent / "cached_runs") if p.is_dir()),
    _PACKAGE / "cached_runs",
)
"""The shipped, read-only runs: inside the package in a wheel, beside it in a clone."""


def create_run(
    runs_dir: Path,
    study: AnyStudy,
    conditions: Conditions | None = None,
    reused: Mapping[str, pa.Table] | None = None,
    total: int = 0,
) -> Path:
    """A new run folder that holds its spec and waits to be worked on.

    `total` is what its plan counts (trials, or stages of chains); 0: not known yet.
    `reused` are the tables of trials taken over from other runs; they wait beside its own until the
    states they start from are measured. The folder appears whole: what a kill leaves half made has
    a name with a dot, which nothing lists.

    Raises:
        InputError: the runs folder cannot be written, or this server is read-only.
    """

    def fill(half: Path) -> None:
        write_atomically(half / SPEC, to_json(study).encode())
        write_model(half / STATUS, Status(total=total))
        if conditions not in (None, Conditions()):
            write_model(half / CONDITIONS, conditions)
        for name, table in (reused or {}).items():
            write_atomically(half / REUSED / f"{name}.parquet", parquet(table))

    return new_folder(runs_dir, study.name, fill)


def trust_remote_code(path: Path) -> None:
    """From now on a run may run code that its model's author put beside the model.

    Raises:
        RunError: the run is damaged.
        InputError: its folder cannot be written, or this server is read-only.
    """
    refuse_if_read_only("no run can be changed here")
    conditions = open_run(path).conditions.model_copy(update={"trust_remote_code": True})
    with writing_into(path):
        write_model(path / CONDITIONS, conditions)


def new_folder(runs_dir: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """A run folder of this name and eight hex digits, which appears when `fill` has filled it.

    Raises:
        InputError: the runs folder cannot be written, or this server is read-only.
    """
    refuse_if_read_only("no run can be made here")
    folder = runs_dir / f"{name}-{secrets.token_hex(4)}"
    half = runs_dir / f".{folder.name}"
    try:
        half.mkdir(parents=True)
        fill(half)
        half.rename(folder)
    except OSError as error:
        raise InputError(
            f"Cannot write a run into {str(runs_dir)!r}: {error.strerror}."
            " Give a writable folder with --runs."
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return folder


def discard_unstarted(path: Path) -> None:
    """Remove a run folder in which nothing was measured yet and that nobody works on."""
    if not path.is_dir():
        return
    with contextlib.suppress(Timeout), FileLock(path / LOCK, timeout=0):
        if not (path / TABLES).exists():
            shutil.rmtree(path, ignore_errors=True)


def find_run(name: str, folders: list[Path]) -> Path:
    """The folder of a run given by path, by id or by its only beginning.

    Whether it holds a run is seen on opening.

    Raises:
        InputError: no such run, or several begin so; the known ids, or those, are named.
    """
    known = {path.name: path for path in run_folders(folders)}
    # These say no of a name that can be none of a file, where those of `Path` raise.
    is_run = os.path.isfile(os.path.join(name, SPEC))
    if is_run or (name not in known and os.path.isdir(name)):
        return _by_its_name(Path(name))
    if name in known:
        return known[name]
    begin_so = [run_id for run_id in known if name and run_id.startswith(name)]
    if len(begin_so) > 1:
        raise InputError(f"Several runs begin with {name!r}: {', '.join(begin_so)}. Name one.")
    if not begin_so:
        raise unknown(
            "run", name, list(known) or ["none yet"], "`sapo runs` lists them with their folders."
        )
    return known[begin_so[0]]


def _by_its_name(path: Path) -> Path:
    """The same folder; `.` and `..` under the name of the folder that they stand for."""
    return path.resolve() if path.name in ("", "..") else path


def is_shipped(path: Path) -> bool:
    """Whether a run came with the package: it stays as it is."""
    return path.resolve().is_relative_to(CACHED_RUNS.resolve())


def list_runs(folders: list[Path]) -> list[Run | DamagedRun]:
    """Every run in these folders, a damaged one as `DamagedRun`, in order of folder and name."""
    found: list[Run | DamagedRun] = []
    for path in run_folders(folders):
        try:
            found.append(open_run(path))
        except RunError as error:
            found.append(DamagedRun(path, str(error)))
    return found


def default_run_id() -> str | None:
    """The id of the run that Explore opens on, named in `DEFAULT` beside the shipped runs."""
    path = CACHED_RUNS / "DEFAULT"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def run_folders(folders: list[Path]) -> list[Path]:
    """Every folder in these that is listed as a run, in order of folder and name."""
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name != "specs" and not path.name.startswith(".")
    ]
