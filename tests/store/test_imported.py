"""Files that users give: read with care, or refused with what to do."""

import io
import json
import os
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.spec import ImportedResults, parse_spec, parse_study, to_json
from sapo_analysis.store import imported
from sapo_analysis.store.imported import create_imported_run, read_results, table_in_memory

SOUND = b"a,b\n1,x\n2,y\n"


def as_parquet(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


BAD = {
    "empty": (b"", r"'r\.csv' is empty"),
    "blank": (b"\n  \n", r"is empty"),
    "a zip or Excel workbook": (zipped(), r"is a zip archive or an Excel workbook, not a CSV"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + SOUND, r"is an old Excel workbook"),
    "gzip": (b"\x1f\x8b" + SOUND, r"is gzip-compressed"),
    "a PDF": (b"%PDF-1.7\n", r"is a PDF"),
    "UTF-16": (SOUND.decode().encode("utf-16"), r"is encoded in UTF-16 .* Save .* \(UTF-8\)"),
    "Latin-1": ("a,b\n1,é\n".encode("latin-1"), r"not encoded in UTF-8: row 2 has byte 0xe9"),
    "a zero byte": (b"a,b\n1,\0\n", r"is not text: it holds a zero byte"),
    "too few cells": (b"a,b\n1,x\n2\n", r"no regular table with commas .* Row #3: Expected 2"),
    "too many cells": (b"a;b\n1;x;3\n", r"no regular table with semicolons .* Row #2: Expected 2"),
    "a quotation mark not closed": (b'a,b\n1,"' + b"x,\n" * 9000, r"of 26,999 characters in row 2"),
    "a long cell": (b"a,b\n1," + b"x" * 20_001 + b"\n", r"a cell of 20,001 characters in row 2"),
    "one long line": (b"x" * 50_000, r"has no header: its first row is 50,000 bytes"),
    "too many columns": (b",".join(b"c%d" % i for i in range(201)) + b"\n", r"has 201 columns"),
    "half a parquet file": (
        as_parquet(pa.table({"a": [1]}))[:-9],
        r"no parquet file, or a damaged",
    ),
    "parquet in name alone": (b"PAR1 and no more", r"no parquet file, or a damaged one"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_what_to_do(name):
    content, says = BAD[name]
    with pytest.raises(InputError, match=says):
        read_results(content, "r.csv")


def test_a_csv_named_parquet():
    with pytest.raises(InputError, match="no parquet file"):
        read_results(SOUND, "results.parquet")


def test_what_is_read_is_text_and_an_empty_cell_stays_one():
    found = read_results(b'\xef\xbb\xbfa , b\r\n1,"x,\ny"\r\n,"q""q"\r\n\r\n', "/tmp/../x/r.csv")
    assert found.name == "r.csv" and len(found.sha256) == 64
    assert found.table.to_pydict() == {"a": ["1", ""], "b": ["x,\ny", 'q"q']}
    assert read_results(b"a,b", "..\\up\\r.csv").table.num_rows == 0


@pytest.mark.parametrize("size", [201_000_000, 1_000_000_000])
def test_a_large_file_is_refused_before_it_is_read(tmp_path, size, monkeypatch):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(size)  # sparse: it takes no room
    monkeypatch.setattr(type(path), "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(InputError, match=rf"has {size // 10**6:,} MB; at most 200 MB are read"):
        read_results(path)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
    for name, says in (
        ("", "is not a file"),
        ("pipe", "is not a file"),
        ("dangling.csv", "No such"),
    ):
        with pytest.raises(InputError, match=says):
            read_results(tmp_path / name)
    with pytest.raises(InputError, match="Cannot read"):
        read_results(tmp_path / "a\0b.csv")


def test_a_parquet_file_that_unpacks_to_more_is_refused(monkeypatch):
    bomb = as_parquet(pa.table({"a": pa.array([0.0] * 900_000)}), use_dictionary=False)
    assert len(bomb) < 600_000
    monkeypatch.setattr(imported, "MAX_UNPACKED_MB", 5)
    with pytest.raises(InputError, match="unpacks to 7 MB; at most 5 MB"):
        read_results(bomb, "bomb.parquet")


def test_a_dictionary_of_long_texts_is_not_written_out():
    indices = pa.array([0] * 100_000, pa.int32())
    text = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 15_000]))
    bomb = as_parquet(pa.table({"a": text}))
    assert len(bomb) < 50_000
    with pytest.raises(InputError, match="unpacks to 1,500 MB"):
        read_results(bomb, "bomb.parquet")


def test_too_many_rows(monkeypatch):
    monkeypatch.setattr(imported, "MAX_ROWS", 3)
    rows = pa.table({"a": [1] * 4, "b": ["x"] * 4})
    for content in (as_parquet(rows), b"a,b\n" + b"1,x\n" * 4, b"a,b\r" + b"1,x\r" * 4):
        with pytest.raises(InputError, match="has 4 rows; at most 3 are read"):
            read_results(content, "r")
    with pytest.raises(InputError, match="has 4 rows"):
        table_in_memory(pd.DataFrame({"a": [1] * 4}))


def test_a_folder_that_cannot_be_filled_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sapo_analysis.store.layout.write_atomically", full)
    with pytest.raises(InputError, match="Cannot write a run into .*No space left"):
        create_imported_run(tmp_path, ImportedResults(tasks=("a",)), {}, 0)
    assert not list(tmp_path.iterdir())


def test_a_spec_of_imported_results_is_checked_as_any():
    spec = ImportedResults(tasks=("a",), file="x.csv")
    assert parse_spec(json.loads(to_json(spec)), "x") == spec
    with pytest.raises(InputError, match="they cannot be run"):
        parse_study({"kind": "imported", "tasks": ["a"]}, "x.yaml")
    with pytest.raises(InputError, match="colour"):
        parse_spec({"kind": "imported", "tasks": ["a"], "colour": 1}, "x")
    with pytest.raises(InputError, match="newer sapo-analysis"):
        parse_spec({"kind": "imported", "tasks": ["a"], "schema_version": 99}, "x")
