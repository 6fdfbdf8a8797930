"""Results made by other tools: a file of a user read with care, and the run folder made of them.

Whatever is in the file, reading it executes nothing, follows no path in it, and takes no more
memory than the limits below allow.
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from sapo_analysis.errors import InputError
from sapo_analysis.records import tables_of
from sapo_analysis.spec import AnyImported, to_json
from sapo_analysis.store import layout
from sapo_analysis.store.folder import new_folder
from sapo_analysis.store.status import Status
from sapo_analysis.store.writer import parquet
from sapo_analysis.tasks.file_forms import (
    DELIMITERS,
    PARQUET,
    foreign,
    header_cells,
    marked_encoding,
)
from sapo_analysis.tasks.tables import is_text, unpacked

MAX_MB = 200
"""Size of a file at most (millions of bytes)."""
MAX_UNPACKED_MB = 1000
"""What a parquet file may come to in memory (millions of bytes)."""
MAX_ROWS = 1_000_000
MAX_COLUMNS = 200
MAX_CELL = 20_000
"""Length of one cell's text (characters)."""

_MB = 1_000_000
_AS_CSV = "Save the table as CSV (UTF-8) and import that file"


@dataclass(frozen=True)
class ResultsFile:
    """A table as a file gave it, its values unchecked.

    Attributes:
        name: The file's name, without folders; "" for a table in memory.
        table: Of a CSV every column is text, and "" stands for no value.
        sha256: Of the file's content; "" for a table in memory.
    """

    name: str
    table: pa.Table
    sha256: str


def read_results(source: Path | bytes, name: str = "") -> ResultsFile:
    """Read a CSV or parquet file, which of the two is told by its content.

    Args:
        source: The file, or its content when it was uploaded.
        name: The name of an uploaded file; folders in it are ignored.

    Raises:
        InputError: it cannot be read, is too large, or holds something else; with what to do.
    """
    if isinstance(source, Path):
        name, content = source.name, _content(source)
    else:
        name, content = name.replace("\\", "/").rsplit("/", 1)[-1], source
    shown = repr(name) if name else "The table"
    _refuse_large(shown, len(content))
    if not content.strip():
        raise InputError(f"{shown} is empty. {_AS_CSV}, with a header in its first row.")
    if content.startswith(PARQUET) or name.lower().endswith((".parquet", ".pq")):
        table = _parquet_table(content, shown)
    else:
        table = _csv_table(content, shown)
    return ResultsFile(name, table, hashlib.sha256(content).hexdigest())


def table_in_memory(table: pd.DataFrame, name: str = "") -> ResultsFile:
    """The same of a pandas table; its index is left out.

    Raises:
        InputError: a column holds values of several kinds, or it has too many rows or columns.
    """
    shown = repr(name) if name else "The table"
    _refuse_many(shown, *table.shape)
    names, columns = [str(column) for column in table.columns], []
    for i, column in enumerate(names):
        try:
            columns.append(pa.array(table.iloc[:, i], from_pandas=True))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"Column {column!r} holds values of several kinds, or such as are neither text nor"
                f" numbers: {str(error).splitlines()[0]}. Give it text or numbers."
            ) from error
    return ResultsFile(name, _plain_texts(pa.table(columns, names=names), shown), "")


def imported_at(path: Path, status: Status) -> str:
    """When results were imported (UTC, ISO 8601); else when their spec was written."""
    if status.heartbeat is not None:
        return status.heartbeat
    written = (path / layout.SPEC).stat().st_mtime
    return datetime.fromtimestamp(written, UTC).isoformat(timespec="seconds")


def create_imported_run(
    runs_dir: Path, spec: AnyImported, tables: Mapping[str, pa.Table], n_trials: int
) -> Path:
    """A run folder of imported results, done from the start. It appears whole.

    Args:
        runs_dir: Folder that the run is written into.
        spec: What is known of the results.
        tables: Every table of the kind, by name.
        n_trials: Fine-tunes in them.

    Raises:
        InputError: the runs folder cannot be written, or this server is read-only.
    """
    status = Status(state="done", done=n_trials, total=n_trials, heartbeat=layout.now())

    def fill(half: Path) -> None:
        layout.write_atomically(half / layout.SPEC, to_json(spec).encode())
        layout.write_model(half / layout.STATUS, status)
        for table in tables_of(spec.kind):
            content = parquet(tables[table.name].cast(table.schema))
            layout.write_atomically(half / layout.TABLES / table.name / layout.JOINED, content)

    return new_folder(runs_dir, spec.name, fill)


def _content(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{str(path)!r} is not a file. Give a CSV or parquet file.")
        _refuse_large(repr(path.name), found.st_size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"Cannot read {str(path)!r}: {said}. Give a CSV or parquet file."
        ) from error


def _refuse_large(shown: str, size: int) -> None:
    if size > MAX_MB * _MB:
        raise InputError(
            f"{shown} has {size / _MB:,.0f} MB; at most {MAX_MB} MB are read. Leave out columns"
            " that follow from others, or import it as parquet."
        )


def _refuse_many(shown: str, rows: int, columns: int) -> None:
    if rows > MAX_ROWS:
        raise InputError(
            f"{shown} has {rows:,} rows; at most {MAX_ROWS:,} are read. Import parts of it."
        )
    if columns > MAX_COLUMNS:
        raise InputError(
            f"{shown} has {columns:,} columns; at most {MAX_COLUMNS} are read. Leave some out."
        )


def _csv_table(content: bytes, shown: str) -> pa.Table:
    if (what := foreign(content)) is not None:
        raise InputError(f"{shown} is {what}, not a CSV file. {_AS_CSV}.")
    if marked_encoding(content) in ("utf-16", "utf-32"):
        raise InputError(f"{shown} is encoded in UTF-16 or UTF-32. {_AS_CSV}.")
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{shown} is not encoded in UTF-8: row {row} has byte 0x{content[error.start]:02x}."
            f" {_AS_CSV}."
        ) from error
    if b"\0" in content:
        raise InputError(f"{shown} is not text: it holds a zero byte. {_AS_CSV}.")
    header = content.splitlines()[0] if content else b""
    if len(header) > MAX_COLUMNS * 100:
        raise InputError(f"{shown} has no header: its first row is {len(header):,} bytes long.")
    delimiter, columns = header_cells(header.decode("utf-8"))
    _refuse_many(shown, content.count(b"\n"), len(columns))
    try:
        table = pa_csv.read_csv(
            io.BytesIO(content),
            # One block and one thread: with several, a bad row cannot be counted.
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=len(content) + 1, column_names=_by_number(columns)
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(_by_number(columns), pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        said = str(error).splitlines()[0].removeprefix("CSV parse error: ")[:200]
        raise InputError(
            f"{shown} is no regular table with {DELIMITERS[delimiter]} between its columns: {said}."
            " Give every row as many cells as the header, and quote cells that hold a delimiter."
        ) from error
    table = table.slice(1)  # the header
    _refuse_many(shown, len(table), len(columns))
    _refuse_long(table, shown)
    return table.rename_columns([name.strip() for name in columns])


def _by_number(columns: list[str]) -> list[str]:
    """Names that are there once, whatever the header says."""
    return [str(i) for i in range(len(columns))]


def _parquet_table(content: bytes, shown: str) -> pa.Table:
    damaged = f"{shown} is no parquet file, or a damaged one"
    try:
        # Strings stay dictionaries until their whole length is known: a few bytes can stand for a
        # long text in every row.
        file = pq.ParquetFile(io.BytesIO(content))
        texts = [
            field.name for field in file.schema_arrow if is_text(field.type) and field.name.strip()
        ]
        file = pq.ParquetFile(io.BytesIO(content), read_dictionary=texts)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        declared = sum(group.total_byte_size for group in groups)
        _refuse_many(shown, file.metadata.num_rows, file.metadata.num_columns)
        _refuse_unpacked(shown, declared)
        table = file.read(use_threads=False)
    except (OSError, pa.ArrowException, ValueError) as error:
        said = str(error).splitlines()[0].rstrip(".")[:200]
        raise InputError(f"{damaged}: {said}. Write it again, or save it as CSV.") from error
    _refuse_unpacked(shown, sum(unpacked(column) for column in table.columns))
    return _plain_texts(table, shown)


def _plain_texts(table: pa.Table, shown: str) -> pa.Table:
    """With text of one type, whatever way it was stored."""
    columns = [
        column.cast(pa.string()) if is_text(column.type) else column for column in table.columns
    ]
    plain = pa.table(columns, names=table.column_names)
    _refuse_long(plain, shown)
    return plain


def _refuse_unpacked(shown: str, size: int) -> None:
    if size > MAX_UNPACKED_MB * _MB:
        raise InputError(
            f"{shown} unpacks to {size / _MB:,.0f} MB; at most {MAX_UNPACKED_MB:,} MB are read."
            " Leave out columns, or import parts of it."
        )


def _refuse_long(table: pa.Table, shown: str) -> None:
    for number, column in enumerate(table.columns, 1):
        if not pa.types.is_string(column.type) or not len(column):
            continue
        lengths = pc.utf8_length(column)
        longest = pc.max(lengths).as_py() or 0
        if longest > MAX_CELL:
            row = pc.index(lengths, longest).as_py() + 2
            raise InputError(
                f"{shown} has a cell of {longest:,} characters in row {row}, column {number}; at"
                f" most {MAX_CELL:,} are read. Is a quotation mark not closed?"
            )
