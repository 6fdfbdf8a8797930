"""Files of rows as users have them: kinds, encodings, places; what is refused, in which words."""

import codecs
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.tasks import tables
from sapo_analysis.tasks.tables import read_table

ROWS = [{"q": "Größe, „groß“?", "a": "ja"}, {"q": "two\nlines", "a": ""}]


def parquet(table, tmp_path, name="x.parquet"):
    pq.write_table(table, tmp_path / name)
    return tmp_path / name


def read(content, name="x"):
    return list(read_table(content, name).rows())


def refusal(content, name="x"):
    with pytest.raises(InputError) as error:
        read(content, name)
    return str(error.value)


def test_json_lines_with_their_numbers():
    text = "\n".join(["", json.dumps(ROWS[0]), "  ", json.dumps(ROWS[1], ensure_ascii=False)])
    found = read(text.encode(), "x.jsonl")
    assert [dict(row) for row in found] == ROWS
    assert [row.place for row in found] == ["line 2 of 'x.jsonl'", "line 4 of 'x.jsonl'"]


def test_a_json_list():
    found = read(json.dumps(ROWS, indent=1).encode())
    assert [dict(row) for row in found] == ROWS and found[1].place == "entry 2 of 'x'"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_cells_over_several_lines(delimiter):
    cells = [["q", "a"], ['"say ""yes"""', "1"], ["", ""], ['"two\nlines"', "2"], ["three", "3"]]
    text = "\r\n".join(delimiter.join(row) for row in cells)
    found = read(text.encode(), "x.csv")
    assert [row["q"] for row in found] == ['say "yes"', "two\nlines", "three"]
    assert [row.place for row in found] == [f"line {n} of 'x.csv'" for n in (2, 4, 6)]


def test_parquet_with_nested_columns(tmp_path):
    rows = [{"q": f"{i}", "choices": {"text": ["x", "y"]}, "n": None} for i in range(700)]
    found = list(read_table(parquet(pa.Table.from_pylist(rows), tmp_path)).rows())
    assert [dict(row) for row in found] == rows
    assert found[699].place == "row 700 of 'x.parquet'"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_unicode_encodings_with_their_marks(encoding, kind):
    text = "q,a\nGröße,ja\n" if kind == "csv" else '{"q": "Größe", "a": "ja"}\n'
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    assert [dict(row) for row in read(mark + text.encode(encoding))] == [{"q": "Größe", "a": "ja"}]


def test_another_encoding_is_named_and_not_guessed():
    said = refusal("q,a\nx,1\nGröße,ja\n".encode("latin-1"), "x.csv")
    assert said.startswith("'x.csv' is not UTF-8 text: line 3 has the byte 0xf6 at its position 3.")
    assert "iconv -f LATIN1 -t UTF-8" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook"),
        (b"\x1f\x8brest", "is gzip-compressed"),
        ("q,a\nx,1".encode("utf-32"), "is encoded in UTF-32"),
        ("q,a\nx,1".encode("utf-16-le"), "has a NUL character in line 1"),
        (codecs.BOM_UTF16_LE + "q,a\nx".encode("utf-16-le") + b"y", "begins as UTF-16"),
        (b'{"q": 1}\n{"q": 2\n', "line 2 of 'x' is not JSON: Expecting"),
        (b'{"q": 1}\n[2]\n', "line 2 of 'x' is a list, not an object"),
        (b"[1, 2]", "entry 1 of 'x' is a number, not an object"),
        (b'[{"q": 1},\n {"q"]', "'x' is not JSON: line 2, column 6"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"q,a\nx,1\ny\n", "line 3 of 'x' has 1 cells, the header has 2"),
        (b'q,a\nx,1\n"y,2\n', "is no CSV from line 3 on"),
        (b"q,a,q\nx,1,2\n", "has the column 'q' twice"),
        (b"PAR1rest", "is no parquet file, or a damaged one"),
    ],
)
def test_what_is_refused(content, words):
    assert words in refusal(content)


def test_a_line_without_end_is_not_read_whole(monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINE_MB", 1)
    assert "more than 1 MB in line 2" in refusal(b"q,a\n" + b"x" * 1_000_001)
    text = codecs.BOM_UTF16_LE + ("q,a\n" + "x" * 1_000_001).encode("utf-16-le")
    assert "more than 1 MB in line 2" in refusal(text)


def test_a_json_list_may_be_one_long_line(monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINE_MB", 0)
    for encoding in ("utf-8", "utf-16"):
        assert read('[{"q": "1", "a": "2"}]'.encode(encoding)) == [{"q": "1", "a": "2"}]


def test_a_large_json_list_is_to_be_lines(monkeypatch):
    monkeypatch.setattr(tables, "MAX_JSON_MB", 0)
    assert "Write one object per line" in refusal(b'[{"q": 1}]')


def test_a_few_bytes_that_stand_for_much_text_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_BATCH_MB", 2)
    long = pa.array(["x" * 10_000] * 400)
    path = parquet(pa.table({"q": long, "a": long}), tmp_path)
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match=r"Rows 1 to 400 .* come to 8 MB; at most 2 MB"):
        list(read_table(path).rows())


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is no file"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "x.csv")


def test_an_uploaded_name_loses_its_folders_and_content_is_fingerprinted():
    table = read_table(b"q,a\nx,1\n", "..\\up/../x.csv")
    assert (table.name, table.columns) == ("x.csv", ("q", "a"))
    assert table.sha256 == hashlib.sha256(b"q,a\nx,1\n").hexdigest()


def test_a_header_alone_has_no_rows():
    with pytest.raises(InputError, match="has no rows"):
        _ = read_table(b"q,a\n", "x.csv").columns
