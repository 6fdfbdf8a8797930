"""Reading a run: strict about what is there, clear about what is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from sapo_analysis.errors import InputError, RunError
from sapo_analysis.records import (
    COSTS,
    DIAGNOSTICS,
    PERSISTENCE,
    PREDICTIONS,
    SOFT_PROMPT,
    TABLES,
    Table,
)
from sapo_analysis.spec import (
    AnySpec,
    AnyStudy,
    ImportedResults,
    ImportedSequence,
    ParaphraseStudy,
    SequenceStudy,
    parse_spec,
)
from sapo_analysis.store import layout
from sapo_analysis.store.conditions import Conditions
from sapo_analysis.store.status import Status

LONGEST_ABOUT = 1000


@dataclass(frozen=True)
class DamagedRun:
    """A run folder that cannot be opened, and why."""

    path: Path
    reason: str

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name


Parts = dict[tuple[Path, int], pa.Table]
"""Parts of a run under way, by file and time of writing: once its group is saved none changes."""


class Run:
    """One run folder, opened for reading. Tables are read when first asked for."""

    def __init__(self, path: Path, study: AnySpec, status: Status, parts: Parts | None = None):
        self.path = path
        self.study = study
        self.status = status
        self._parts = parts

    @property
    def run_id(self) -> str:
        """The folder's name: the spec's name and eight hex digits."""
        return self.path.name

    @property
    def paraphrase(self) -> ParaphraseStudy:
        """The study of a paraphrase run.

        Raises:
            InputError: it is a run of another kind.
        """
        if isinstance(self.study, ParaphraseStudy):
            return self.study
        raise self._other_kind("paraphrase")

    @property
    def sequence(self) -> SequenceStudy:
        """The study of a sequence run.

        Raises:
            InputError: it is a run of another kind.
        """
        if isinstance(self.study, SequenceStudy):
            return self.study
        raise self._other_kind("sequence")

    @property
    def is_imported(self) -> bool:
        """Whether another tool measured it: then it is not known how it was made."""
        return isinstance(self.study, ImportedResults | ImportedSequence)

    @property
    def is_sequence(self) -> bool:
        """Whether it holds tasks learned one after another, made here or imported."""
        return isinstance(self.study, SequenceStudy | ImportedSequence)

    @property
    def learned_in_turn(self) -> SequenceStudy | ImportedSequence:
        """The orders, strategies and seeds of a sequence run, made here or imported.

        Raises:
            InputError: it is a run of another kind.
        """
        if isinstance(self.study, ImportedSequence):
            return self.study
        return self.sequence

    def made_here(self, to_do: str) -> AnyStudy:
        """The study that made this run.

        Args:
            to_do: What needs one, as in "be resumed".

        Raises:
            InputError: its results were imported.
        """
        if isinstance(self.study, ImportedResults | ImportedSequence):
            raise InputError(
                f"Run {self.run_id} cannot {to_do}: its results were imported from"
                f" {self.study.source}, and how they were made is not known. Make them again with"
                " the tool they came from, and import those."
            )
        return self.study

    def _other_kind(self, wanted: str) -> InputError:
        if self.is_imported:
            return InputError(
                f"Run {self.run_id} holds imported results, and a run of a {wanted} study is"
                f" needed. `sapo report {self.run_id}` reads it."
            )
        return InputError(
            f"Run {self.run_id} is a {self.study.kind} study, and a {wanted} study is asked for."
            f" Read it by itself: `sapo report {self.run_id}`, in Python sapo.report for paraphrase"
            " studies, sapo.sequence_report for sequences."
        )

    @property
    def is_complete(self) -> bool:
        """Whether every planned trial is in the tables."""
        return self.status.state == "done"

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Packages, device, fingerprints and costs; empty until a worker has started on the run."""
        path = self.path / layout.PROVENANCE
        if not path.exists():
            return {}
        return _read_json(path, self.run_id)

    @cached_property
    def conditions(self) -> Conditions:
        """What this run has to be made under; of no interest once it is done.

        Raises:
            RunError: the file is damaged.
        """
        path = self.path / layout.CONDITIONS
        if not path.exists():
            return Conditions()
        try:
            return Conditions.model_validate(_read_json(path, self.run_id))
        except ValidationError as error:
            raise RunError(
                f"Run {self.run_id}: {path.name} is damaged: {error.errors()[0]['msg']}."
                " Start the run anew from its spec."
            ) from error

    def reused_tables(self) -> dict[str, pa.Table]:
        """Tables of trials taken over from other runs, while this one is worked on; else none.

        Raises:
            RunError: one is damaged, or does not have the declared columns.
        """
        folder = self.path / layout.REUSED
        return {
            path.stem: self._read_part(TABLES[path.stem], path)
            for path in sorted(folder.glob("*.parquet"))
        }

    @property
    def about(self) -> str:
        """What somebody wrote into its folder for whoever reads its results; "" if nothing.

        In one line, cut after `LONGEST_ABOUT` characters. Of imported results, else, the note that
        came with them.
        """
        path = self.path / layout.ABOUT
        if not path.is_file():
            study = self.study
            return study.note if isinstance(study, ImportedResults | ImportedSequence) else ""
        with path.open(encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read(4 * LONGEST_ABOUT).split())
        return text if len(text) <= LONGEST_ABOUT else f"{text[:LONGEST_ABOUT]} …"

    @property
    def has_random_weights(self) -> bool:
        """Whether the base model was never trained: such a run is a control and gets no verdict."""
        return bool(self.provenance.get("model", {}).get("weights") == "random")

    def table(self, name: str) -> pd.DataFrame:
        """A tidy table; columns and meanings are declared in `sapo_analysis.records`.

        While the run is not done it holds the groups finished so far. Of imported results, tables
        that only a study makes are empty.

        Raises:
            RunError: the table is missing, damaged, or does not have the declared columns.
        """
        if name not in self._tables:
            self._tables[name] = self.arrow_table(name).to_pandas()
        return self._tables[name].copy()

    def arrow_table(self, name: str) -> pa.Table:
        """A table as it is stored: pandas cannot tell a null from a NaN.

        Raises:
            RunError: as `table`.
        """
        return self._read(TABLES[name])

    def files(self, name: str) -> list[Path]:
        """The files that a table is read from, in the order in which they are; none: no rows."""
        return self._files(self.path / layout.TABLES / TABLES[name].name)

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}

    def _read(self, table: Table) -> pa.Table:
        if self.is_imported and self.study.kind not in table.kinds:
            return table.schema.empty_table()
        folder = self.path / layout.TABLES / table.name
        files = self._files(folder)
        # Runs that were made before there was such a table read as those that put nothing into it.
        if not files and (
            (table.name == PREDICTIONS.name and self._keeps_no_outputs)
            or (table.name == DIAGNOSTICS.name and self._looks_at_nothing)
            or (table.name == PERSISTENCE.name and self._looks_at_no_soft_prompt)
        ):
            return table.schema.empty_table()
        if not files and self.is_complete:
            raise self._unreadable(table, folder, "it is missing")
        try:
            parts = [self._read_part(table, file) for file in files]
        except RunError:
            joined = folder / layout.JOINED
            if files == [joined] or not joined.exists():
                raise
            parts = [self._read_part(table, joined)]  # the run ended meanwhile: its parts are gone
        return pa.concat_tables(parts) if parts else table.schema.empty_table()

    @property
    def _keeps_no_outputs(self) -> bool:
        study = self.study
        return isinstance(study, SequenceStudy) and study.evaluation.n_predictions_kept == 0

    @property
    def _looks_at_nothing(self) -> bool:
        study = self.study
        return isinstance(study, ParaphraseStudy | SequenceStudy) and study.diagnostics.every == 0

    @property
    def _looks_at_no_soft_prompt(self) -> bool:
        found = self._read(DIAGNOSTICS)
        return SOFT_PROMPT not in set(found["subject"].to_pylist())

    def _files(self, folder: Path) -> list[Path]:
        # The joined file wins whatever the status was when the run was opened: a run that ends
        # meanwhile loses its parts, and must not read as an empty one.
        joined = folder / layout.JOINED
        if joined.exists() or self.is_complete:
            return [joined] if joined.exists() else []
        return [
            path
            for path in sorted(folder.glob("part-*.parquet"))
            if layout.group_of_part(path) in self.finished_groups
        ]

    @cached_property
    def finished_groups(self) -> set[str]:
        """Of a run that is worked on, the groups saved whole.

        The costs part is written last, so with it the rest is there.
        """
        folder = self.path / layout.TABLES / COSTS.name
        return {layout.group_of_part(path) for path in folder.glob("part-*.parquet")}

    def _read_part(self, table: Table, file: Path) -> pa.Table:
        if self._parts is None or file.name == layout.JOINED:
            return self._checked_part(table, file)
        try:
            key = (file, file.stat().st_mtime_ns)
        except OSError as error:
            raise self._unreadable(table, file, str(error)) from error
        if key not in self._parts:
            self._parts[key] = self._checked_part(table, file)
        return self._parts[key]

    def _checked_part(self, table: Table, file: Path) -> pa.Table:
        try:
            part = pq.read_table(file, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(table, file, str(error).splitlines()[0].rstrip(".")) from error
        missing = [name for name in table.schema.names if name not in part.schema.names]
        surplus = [name for name in part.schema.names if name not in table.schema.names]
        if missing or surplus:
            raise self._unreadable(table, file, f"columns missing: {missing}, unknown: {surplus}")
        try:
            return part.select(table.schema.names).cast(table.schema)
        except (pa.ArrowException, ValueError) as error:
            raise self._unreadable(table, file, str(error).splitlines()[0].rstrip(".")) from error

    def _unreadable(self, table: Table, file: Path, reason: str) -> RunError:
        return RunError(
            f"Run {self.run_id}: table {table.name} is unreadable (file {file}): {reason}."
            " Other runs are unaffected."
            " Copy the run folder in again, or run its spec.json again."
        )


def open_run(path: Path | str, parts: Parts | None = None) -> Run:
    """Open a run folder.

    Whoever opens a run again and again while it grows keeps its `parts`: of those that are in it
    none is read again.

    Raises:
        RunError: the folder, its spec or its status is missing or damaged, or of a newer schema.
    """
    path = Path(path)
    if not (path / layout.SPEC).is_file():
        raise RunError(
            f"{str(path)!r} is not a run folder: it has no {layout.SPEC}."
            " `sapo runs` lists the known runs."
        )
    try:
        study = parse_spec(
            _read_json(path / layout.SPEC, path.name), f"Run {path.name}: {layout.SPEC}"
        )
    except RunError:
        raise
    except InputError as error:
        raise RunError(str(error)) from error
    try:
        status = Status.model_validate(_read_json(path / layout.STATUS, path.name)).alive_now(path)
    except ValidationError as error:
        raise RunError(
            f"Run {path.name}: {layout.STATUS} is damaged: {error.errors()[0]['msg']}."
        ) from error
    return Run(path, study, status, parts)


def _read_json(path: Path, run_id: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"Run {run_id}: {path.name} is unreadable (file {path}): {error}."
            " Other runs are unaffected."
        ) from error
    if not isinstance(data, dict):
        raise RunError(f"Run {run_id}: {path.name} is unreadable (file {path}): not a JSON object.")
    return data
