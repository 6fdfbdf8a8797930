"""From a table of a user to a run: checked to the last row, then written whole."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sapo_analysis.analysis.importing.agreement import check_ranges, check_rows_agree, filled
from sapo_analysis.analysis.importing.cells import check_values, numeric_columns, values_of
from sapo_analysis.analysis.importing.columns import check_columns
from sapo_analysis.analysis.importing.problems import Problems
from sapo_analysis.errors import InputError
from sapo_analysis.records import IMPACTS, IMPORTED_INDICATORS, PROMPTS
from sapo_analysis.spec import NOT_RECORDED, ImportedResults
from sapo_analysis.store import Run, open_run
from sapo_analysis.store.access import refuse_if_read_only
from sapo_analysis.store.imported import (
    ResultsFile,
    create_imported_run,
    read_results,
    table_in_memory,
)

TEMPLATE = """\
current_task,prompt_id,seed,purpose,eval_task,role,pre_update_loss,score_before,score_after,loss_before,loss_after,prompt_text,source
sentiment,p-01,0,main,sentiment,current,1.84,52.0,88.0,1.91,0.42,Is the review good or bad?,original
sentiment,p-01,0,main,topic,past,1.84,81.0,74.5,0.55,0.73,Is the review good or bad?,original
"""
"""A CSV to fill in: one trial on two evaluated tasks."""


def import_results(
    source: pd.DataFrame | Path | str | bytes,
    runs_dir: Path | str = "runs",
    name: str | None = None,
    model: str = "",
    note: str = "",
    file: str = "",
) -> Run:
    """Make a run of results that another tool measured.

    The table has the columns of `run.impacts()`: a row per (trial, evaluated task). Needed are
    `REQUIRED`, and of score and of loss either both ends (`score_before`, `score_after`; points of
    0 to 100) or the change; of loss in nats per target token. What follows from these may be left
    out. Further columns of numbers become indicators, `prompt_text` and `source` the wording.

    Args:
        source: A table, a CSV or parquet file, or the content of an uploaded one.
        runs_dir: Folder that the run is written into.
        name: Start of the run's id; made to fit. Default: the file's name.
        model: The model, in the user's words.
        note: What readers of the run should be told.
        file: Name of an uploaded file.

    Raises:
        InputError: the table cannot be used; every problem is named with its rows, and nothing was
            written. Or the folder cannot be written, or this server is read-only.
    """
    refuse_if_read_only("no results can be imported here")
    found = _read(source, file)
    checked = _Checked.of(found)
    rows = checked.rows
    spec = ImportedResults(
        name=as_name(name if name is not None else found.name.rsplit(".", 1)[0]),
        model=one_line(model, 200) or NOT_RECORDED,
        file=one_line(found.name, 200),
        sha256=found.sha256,
        tasks=tuple(rows["current_task"].drop_duplicates()),
        note=one_line(note, 1000),
    )
    tables = {
        IMPACTS.name: pa.Table.from_pandas(
            rows[IMPACTS.schema.names], schema=IMPACTS.schema, preserve_index=False
        ),
        IMPORTED_INDICATORS.name: checked.indicators(),
        PROMPTS.name: checked.prompts(),
    }
    n_trials = int(rows["trial_id"].nunique())
    return open_run(create_imported_run(Path(runs_dir), spec, tables, n_trials))


def _read(source: pd.DataFrame | Path | str | bytes, file: str) -> ResultsFile:
    if isinstance(source, bytes):
        return read_results(source, file)
    if isinstance(source, str | Path):
        return read_results(Path(source))
    if not isinstance(source, pd.DataFrame):
        raise InputError(
            f"A table (pandas DataFrame) or a file is needed, got {type(source).__name__}."
            " `run.impacts()` makes a table."
        )
    return table_in_memory(source, file)


def as_name(text: str) -> str:
    """Any text as a name for a run; it never becomes a path."""
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "imported"


def one_line(text: str, longest: int) -> str:
    """One line of text without control characters, cut to a length."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(visible.split())[:longest]


@dataclass(frozen=True)
class _Checked:
    """A table without a fault: every column of `IMPACTS`, its indicators, its wording."""

    rows: pd.DataFrame
    further: tuple[str, ...]

    @classmethod
    def of(cls, found: ResultsFile) -> _Checked:
        problems = Problems(found.name)
        table = _without_index(found.table)
        if not len(table):
            problems.add("It has no rows below its header" if table.column_names else "It is empty")
        further = check_columns(table.column_names, numeric_columns(table), problems)
        problems.refuse()
        given = values_of(table, further, problems)
        problems.refuse()
        check_values(given, problems)
        problems.refuse()
        rows = filled(given)
        check_ranges(rows, problems)
        problems.refuse()
        check_rows_agree(rows, given, further, problems)
        problems.refuse()
        return cls(rows, further)

    def indicators(self) -> pa.Table:
        """The further columns, a row per trial and name."""
        once = self.rows.drop_duplicates("trial_id")
        long = once.melt("trial_id", list(self.further), "name", "value").dropna()
        return pa.Table.from_pandas(
            long.astype({"name": "str"}), schema=IMPORTED_INDICATORS.schema, preserve_index=False
        )

    def prompts(self) -> pa.Table:
        """The prompts whose wording was given."""
        rows = self.rows
        if "prompt_text" not in rows:
            return PROMPTS.schema.empty_table()
        rows = rows[rows["prompt_text"].notna()].drop_duplicates(["current_task", "prompt_id"])
        table = rows.rename(columns={"current_task": "task", "prompt_text": "text"}).assign(
            source=rows["source"].fillna(NOT_RECORDED) if "source" in rows else NOT_RECORDED,
            test_only=False,
            frequency=None,
            n_tokens=None,
        )
        return pa.Table.from_pandas(
            table[PROMPTS.schema.names], schema=PROMPTS.schema, preserve_index=False
        )


def _without_index(table: pa.Table) -> pa.Table:
    """Without the row numbers that pandas writes in front."""
    names = table.column_names
    first = names[:1] if names[:1] in ([""], ["Unnamed: 0"]) else []
    index = [name for name in names if re.fullmatch(r"__index_level_\d+__", name)]
    keep = [i for i, name in enumerate(names) if not (i == 0 and first) and name not in index]
    return table.select(keep)
