"""Tables of a user read row by row: JSONL, CSV, a JSON list, parquet.

Which of them a file is, its content tells. Reading executes nothing, follows no path, and holds one
row (of parquet one batch; of a JSON list all of it) in memory at a time. Text is UTF-8, or UTF-16
where a mark says so; another encoding is never guessed, for it would turn letters into others
without a word.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sapo_analysis.errors import InputError
from sapo_analysis.tasks.checking import Row
from sapo_analysis.tasks.file_forms import PARQUET, foreign, header_cells, marked_encoding

MAX_LINE_MB = 10
"""Length of a line at most (millions of bytes)."""
MAX_JSON_MB = 200
"""Size of a JSON list at most (millions of bytes): it cannot be read in parts."""
MAX_BATCH_MB = 200
"""What a batch of parquet rows may come to in memory (millions of bytes)."""
_BATCH_ROWS = 500
_MB = 1_000_000
_AS_UTF_8 = "Save it as UTF-8, as with `iconv -f LATIN1 -t UTF-8`; which letters another encoding"


@dataclass(frozen=True)
class Table:
    """A file of rows; each pass over `rows` opens it anew.

    `name` is the file's name without folders. `source` is its path, or its content when it was
    uploaded.
    """

    name: str
    source: Path | bytes

    def rows(self) -> Iterator[Row]:
        """Every row with its place in the file.

        Raises:
            InputError: the file cannot be read, or a line of it; with the place.
        """
        with self.opened() as file:
            start = file.read(64)
            file.seek(0)
            if self._is_parquet(start):
                yield from _parquet_rows(file, self._shown)
            elif _first_letter(file) == "[":
                yield from _json_rows(file, self._shown)
            elif _first_letter(file) == "{":
                yield from _json_line_rows(_lines(file, self._shown, MAX_LINE_MB), self._shown)
            else:
                yield from _csv_rows(_lines(file, self._shown, MAX_LINE_MB), self._shown)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the first row.

        Raises:
            InputError: as `rows`; or there is no row.
        """
        for row in self.rows():
            return tuple(row)
        raise InputError(f"{self._shown} has no rows. Give at least one for each example.")

    @cached_property
    def sha256(self) -> str:
        """Of the file's content."""
        digest = hashlib.sha256()
        with self.opened() as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def opened(self) -> BinaryIO:
        """The file's bytes from the start.

        Raises:
            InputError: it cannot be read, or is no text and no parquet file.
        """
        file = io.BytesIO(self.source) if isinstance(self.source, bytes) else _file(self.source)
        start = file.read(64)
        file.seek(0)
        what = foreign(start)
        if what is None and marked_encoding(start) == "utf-32":
            what = "encoded in UTF-32"
        if what is not None:
            file.close()
            raise InputError(
                f"{self._shown} is {what}. Give a JSONL, CSV or parquet file, text in UTF-8."
            )
        return file

    @property
    def _shown(self) -> str:
        return repr(self.name) if self.name else "The table"

    def _is_parquet(self, start: bytes) -> bool:
        return start.startswith(PARQUET) or self.name.lower().endswith((".parquet", ".pq"))


def read_table(source: Path | bytes, name: str = "") -> Table:
    """A file as a table; folders in the name of an uploaded one are dropped.

    Raises:
        InputError: it cannot be opened, is empty, or is no kind of file that is read here.
    """
    if isinstance(source, Path):
        name = source.name
    table = Table(name.replace("\\", "/").rsplit("/", 1)[-1], source)
    with table.opened() as file:
        if not _first_letter(file):
            shown = repr(table.name) if table.name else "The table"
            raise InputError(f"{shown} is empty. Give a row for each example.")
    return table


def _file(path: Path) -> BinaryIO:
    advice = "Give a JSONL, CSV or parquet file."
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{str(path)!r} is no file. {advice}")
        return path.open("rb")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"Cannot read {str(path)!r}: {said}. {advice}") from error


def _first_letter(file: BinaryIO) -> str:
    """The first letter that is no white space; the file is left at its start."""
    start = file.read(1 << 16)
    file.seek(0)
    encoding = marked_encoding(start) or "utf-8"
    return start.decode(encoding, "replace").lstrip()[:1]


def _lines(file: BinaryIO, shown: str, most_mb: int) -> Iterator[str]:
    """The lines of a text file, decoded one by one; ends of lines are kept as they are."""
    start = file.read(4)
    file.seek(0)
    if marked_encoding(start) == "utf-16":
        yield from _utf_16_lines(file, shown, most_mb)
        return
    number, most = 0, most_mb * _MB
    while raw := file.readline(most + 1):
        number += 1
        if len(raw) > most:
            raise _too_long(shown, number)
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{shown} is not UTF-8 text: line {number:,} has the byte 0x{raw[error.start]:02x}"
                f" at its position {error.start + 1:,}. {_AS_UTF_8} means cannot be known."
            ) from error
        if "\0" in line:
            raise InputError(
                f"{shown} has a NUL character in line {number:,}: it is no plain text, or UTF-16"
                " without a mark. Save it as UTF-8."
            )
        yield line


def _utf_16_lines(file: BinaryIO, shown: str, most_mb: int) -> Iterator[str]:
    number, most = 0, most_mb * _MB
    with io.TextIOWrapper(file, encoding="utf-16", newline="") as text:
        try:
            while line := text.readline(most + 1):
                number += 1
                if len(line) > most:
                    raise _too_long(shown, number)
                yield line
        except UnicodeDecodeError as error:
            raise InputError(
                f"{shown} begins as UTF-16 and goes on otherwise, after line {number:,}:"
                f" {error.reason}. Save it as UTF-8."
            ) from error


def _too_long(shown: str, number: int) -> InputError:
    return InputError(
        f"{shown} has more than {MAX_LINE_MB} MB in line {number:,}. Give a row per line; is a"
        " quotation mark not closed, or an end of line missing?"
    )


def _json_line_rows(lines: Iterable[str], shown: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"line {number:,} of {shown}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            said = (
                f"{error.msg} (column {error.colno:,})"
                if isinstance(error, json.JSONDecodeError)
                else str(error)
            )
            raise InputError(
                f"{place} is not JSON: {said}. Give one object per line, as in"
                ' {"input": "…", "target": "…"}.'
            ) from error
        yield _row(entry, place)


def _json_rows(file: BinaryIO, shown: str) -> Iterator[Row]:
    content = file.read(MAX_JSON_MB * _MB + 1)
    if len(content) > MAX_JSON_MB * _MB:
        raise InputError(
            f"{shown} is a JSON list of more than {MAX_JSON_MB} MB. Write one object per line"
            " (JSONL): that is read in parts."
        )
    # A list is mostly one line, which may then be as long as the file.
    text = "".join(_lines(io.BytesIO(content), shown, MAX_JSON_MB))
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{shown} is not JSON: line {error.lineno:,}, column {error.colno:,}: {error.msg}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{shown} cannot be read as JSON: {error}.") from error
    for number, entry in enumerate(entries, start=1):
        yield _row(entry, f"entry {number:,} of {shown}")


def _row(entry: Any, place: str) -> Row:
    if not isinstance(entry, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(entry), "a number")
        raise InputError(f'{place} is {kind}, not an object. Write {{"column": value, …}}.')
    return Row(entry, place)


def _csv_rows(lines: Iterable[str], shown: str) -> Iterator[Row]:
    given = iter(lines)
    try:
        delimiter, header = header_cells(next(given, "").rstrip("\r\n"))
    except csv.Error as error:
        raise InputError(f"{shown} has no header that can be read: {error}.") from error
    names = [name.strip() for name in header]
    if twice := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
        raise InputError(
            f"{shown} has the column {twice[0]!r} twice in its header. Give each its own name."
        )
    reader = csv.reader(given, delimiter=delimiter, strict=True)
    start = 2
    try:
        for cells in reader:
            place, start = f"line {start:,} of {shown}", reader.line_num + 2
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise InputError(
                    f"{place} has {len(cells)} cells, the header has {len(names)}. Put cells that"
                    f" hold {delimiter!r}, quotation marks or ends of lines into quotation marks."
                )
            yield Row(dict(zip(names, cells, strict=True)), place)
    except csv.Error as error:
        raise InputError(
            f"{shown} is no CSV from line {start:,} on: {error}. Is a quotation mark not closed?"
        ) from error


def _parquet_rows(file: BinaryIO, shown: str) -> Iterator[Row]:
    number = 0
    try:
        # Texts stay dictionaries until their length is known: a few bytes can stand for a long text
        # in every row.
        parquet = pq.ParquetFile(file)
        texts = [field.name for field in parquet.schema_arrow if is_text(field.type)]
        parquet = pq.ParquetFile(file, read_dictionary=texts)
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            size = sum(unpacked(column) for column in batch.columns)
            if size > MAX_BATCH_MB * _MB:
                raise InputError(
                    f"Rows {number + 1:,} to {number + len(batch):,} of {shown} come to"
                    f" {size / _MB:,.0f} MB; at most {MAX_BATCH_MB} MB are read at once. Leave out"
                    " columns that hold no text."
                )
            for entry in batch.to_pylist():
                number += 1
                yield Row(entry, f"row {number:,} of {shown}")
    except (OSError, pa.ArrowException, ValueError) as error:
        said = str(error).splitlines()[0].rstrip(".")[:200]
        raise InputError(
            f"{shown} is no parquet file, or a damaged one: {said}. Write it again, or save it as"
            " CSV."
        ) from error


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, whatever way it is stored."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def unpacked(column: pa.Array | pa.ChunkedArray) -> int:
    """Bytes of a column once its dictionary is written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    lengths = [
        pc.sum(pc.binary_length(chunk.dictionary).take(chunk.indices)).as_py() or 0
        for chunk in chunks
    ]
    return sum(lengths)
