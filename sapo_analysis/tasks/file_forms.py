"""What kind of file some bytes begin, and how the cells of a header are parted."""

from __future__ import annotations

import codecs
import csv

PARQUET = b"PAR1"
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "gzip-compressed",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ": "xz-compressed",
    b"ARROW1": "an Arrow file",
}
# In this order: the mark of UTF-32 (little-endian) begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def foreign(start: bytes) -> str | None:
    """What a file that begins so is, in words; None where it may be text or parquet."""
    return next((what for mark, what in _FOREIGN.items() if start.startswith(mark)), None)


def marked_encoding(start: bytes) -> str | None:
    """The Unicode encoding that a file's first bytes declare; None without such a mark."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def header_cells(line: str) -> tuple[str, list[str]]:
    """The delimiter that parts a header into most cells, and those."""
    found = {delimiter: next(csv.reader([line], delimiter=delimiter)) for delimiter in DELIMITERS}
    delimiter = max(found, key=lambda key: len(found[key]))
    return delimiter, found[delimiter]
