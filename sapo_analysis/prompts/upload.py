"""An uploaded file to candidate paraphrases: text, CSV, JSON or a JSON value per line."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.paste import (
    TEXT_KEYS,
    Candidate,
    checked_number,
    from_entry,
    from_json,
    parse_text,
    tidied,
)

MAX_BYTES = 1_000_000
KINDS = ("csv", "json", "jsonl", "tsv", "txt")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or an office document",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"PAR1": "a parquet file",
    b"\xd0\xcf\x11\xe0": "an old office document",
}


def parse_file(name: str, content: bytes) -> list[Candidate]:
    """The candidates in a file, by the ending of its name.

    `.txt` is read as pasted text. `.csv` and `.tsv` need a header with a column named as in
    `TEXT_KEYS`, or have one column alone. `.json` is a list of texts or of objects with such a
    field, `.jsonl` one of these per line. A line that cannot be read is refused, not the file.

    Raises:
        InputError: the ending, size, encoding or form of the file; line and column are named.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in KINDS:
        raise InputError(
            f"File {name!r} is of no kind that is read here. Give a file that ends in"
            f" {', '.join('.' + kind for kind in KINDS)}."
        )
    if len(content) > MAX_BYTES:
        raise InputError(
            f"File {name!r} has {len(content):,} bytes; at most {MAX_BYTES:,} are read."
            " Give it in parts."
        )
    text = _decoded(name, content)
    if not text.strip():
        raise InputError(f"File {name!r} is empty. Give one prompt per line.")
    if ending == "txt":
        return parse_text(text)
    read = {"json": _json, "jsonl": _json_lines}.get(ending)
    found = list(read(name, text) if read else _csv(name, text, ending))
    return checked_number(found, f"File {name!r}")


def _decoded(name: str, content: bytes) -> str:
    for start, what in _OTHER_FORMATS.items():
        if content.startswith(start):
            raise InputError(f"File {name!r} is {what}, whatever its name says. Give plain text.")
    encoding = next((e for mark, e in _MARKS.items() if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"File {name!r} is not {encoding.removesuffix('-sig').upper()} text: line {line} has"
            f" the byte 0x{content[error.start]:02x}. Save it as UTF-8; which letters another"
            " encoding means cannot be known."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"File {name!r} has a NUL character in line {line}: it is no plain text, or UTF-16"
            " without a mark. Save it as UTF-8."
        )
    return text


def _json(name: str, text: str) -> list[Candidate]:
    try:
        found = from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise InputError(
            f"File {name!r} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"File {name!r} cannot be read as JSON: {error}.") from error
    if found is None:
        raise InputError(
            f"File {name!r} is JSON, but no list of prompts. Give a list of texts, or of objects"
            f" with a field {' or '.join(TEXT_KEYS)}."
        )
    return found


def _json_lines(name: str, text: str) -> Iterator[Candidate]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield tidied(Candidate(place, line, f"is not JSON: {reason}"))
        else:
            yield from_entry(place, entry)


def _csv(name: str, text: str, ending: str) -> Iterator[Candidate]:
    header = text.split("\n", 1)[0]
    delimiter = "\t" if ending == "tsv" else ";" if _named(header, ";") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start, column, width = 1, None, 0
    try:
        for row in rows:
            place, start = f"line {start}", rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if column is None:
                width, names = len(row), [cell.strip().lower() for cell in row]
                column = next((names.index(key) for key in TEXT_KEYS if key in names), None)
                if column is not None:
                    continue
                if width > 1:
                    raise InputError(
                        f"File {name!r} has the columns {', '.join(map(repr, row))}, and which of"
                        f" them holds the prompts is not said. Name it {' or '.join(TEXT_KEYS)}."
                    )
                column = 0
            if len(row) != width:
                reason = f"has {len(row)} columns, the first row has {width}; quote texts with"
                yield tidied(Candidate(place, delimiter.join(row), f"{reason} {delimiter!r}"))
            else:
                yield tidied(Candidate(place, row[column]))
    except csv.Error as error:
        raise InputError(f"File {name!r} is not CSV from line {start} on: {error}.") from error


def _named(header: str, delimiter: str) -> bool:
    """Whether parting the header like this gives a column with a known name."""
    cells = header.split(delimiter)
    return len(cells) > 1 and any(cell.strip().strip('"').lower() in TEXT_KEYS for cell in cells)
