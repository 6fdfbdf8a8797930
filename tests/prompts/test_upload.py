"""Uploaded files: what each kind may look like, and what each wrong one is answered with."""

from __future__ import annotations

import codecs
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapo_analysis.errors import InputError
from sapo_analysis.prompts.paste import Candidate
from sapo_analysis.prompts.upload import MAX_BYTES, parse_file


def kept(name: str, content: str | bytes) -> list[str]:
    data = content if isinstance(content, bytes) else content.encode()
    return [c.text for c in parse_file(name, data) if not c.refusal]


TWO = ["Judge it, please.", 'Say "good" or "bad".\nOne word.']


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text\n"Judge it, please."\n"Say ""good"" or ""bad"".\nOne word."\n'),
        ("a.CSV", 'id;Text;n\r\n1;Judge it, please.;2\r\n2;"Say ""good"" or ""bad"".\nOne word.";'),
        ("a.tsv", 'n\tprompt\n1\tJudge it, please.\n\n2\t"Say ""good"" or ""bad"".\nOne word."\n'),
        ("a.json", '["Judge it, please.", "Say \\"good\\" or \\"bad\\".\\nOne word."]'),
        (
            "a.jsonl",
            '"Judge it, please."\n\n{"prompt": "Say \\"good\\" or \\"bad\\".\\nOne word."}',
        ),
        ("a.txt", 'Judge it, please.\n---\nSay "good" or "bad".\nOne word.'),
    ],
)
def test_every_kind_holds_the_same_two(name: str, content: str) -> None:
    assert kept(name, content) == TWO
    assert kept(name, codecs.BOM_UTF8 + content.encode()) == TWO
    assert kept(name, content.encode("utf-16")) == TWO


def test_a_table_of_one_column_needs_no_header() -> None:
    assert kept("a.csv", "Judge it.\nName it.\n") == ["Judge it.", "Name it."]


def test_lines_that_cannot_be_read_are_refused_alone() -> None:
    found = parse_file("a.csv", b"text,note\nJudge it.,\nSay good, bad or none.,x\nName it.,y\n")
    assert found[1] == Candidate(
        "line 3",
        "Say good, bad or none.,x",
        "has 3 columns, the first row has 2; quote texts with ','",
    )
    assert [c.text for c in found if not c.refusal] == ["Judge it.", "Name it."]
    found = parse_file("a.jsonl", b'"Judge it."\n{"text": \n7\n"Name it."\n')
    assert [c.place for c in found] == ["line 1", "line 2", "line 3", "line 4"]
    assert found[1].refusal == "is not JSON: Expecting value"
    assert "JSON number" in found[2].refusal


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", "0" * 50_000_000)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.exe", b"x", r"'a.exe' is of no kind .* \.csv, \.json, \.jsonl, \.tsv, \.txt\."),
        ("prompts", b"x", "no kind that is read"),
        ("../../etc/passwd", b"x", "no kind that is read"),
        ("a.txt", b"", "is empty"),
        ("a.csv", b" \n \n", "is empty"),
        ("a.txt", b"x" * (MAX_BYTES + 1), "1,000,001 bytes; at most 1,000,000"),
        ("a.txt", "gut\nschön".encode("latin-1"), "not UTF-8 text: line 2 has the byte 0xf6"),
        ("a.csv", "text\nJudge".encode("utf-16-le"), "NUL character in line 1"),
        ("a.txt", b"Judge\0it", "NUL character in line 1"),
        ("a.txt", b"\xff\xfea", "not UTF-16 text"),
        ("a.csv", zipped(), "is a zip archive or an office document, whatever its name says"),
        ("a.json", b"\x1f\x8b\x08", "is a gzip archive"),
        ("a.txt", b"%PDF-1.7", "is a PDF"),
        ("a.json", b'["a",\n "b"', "not JSON: line 2, column 5: Expecting ',' delimiter"),
        ("a.json", b'{"rows": ["a"]}', "no list of prompts"),
        ("a.json", b"3", "no list of prompts"),
        ("a.json", b"[" * 100_000, "cannot be read as JSON"),
        ("a.json", b"9" * 5000, "cannot be read as JSON"),
        ("a.csv", b"id,wording\n1,Judge it.\n", r"columns 'id', 'wording'.*Name it text or prompt"),
        ("a.csv", b'text\nJudge\n"open\nend', "not CSV from line 3 on"),
        ("a.csv", b"text\n" + b"x" * 200_000, "not CSV from line 2 on: field larger"),
        ("a.csv", b"text\n", "holds no prompt"),
        ("a.json", b"[]", "holds no prompt"),
        ("a.jsonl", b"1\n" * 501, "501 lines or entries; at most 500"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_file(name, content)


@given(content=st.binary(max_size=200), ending=st.sampled_from(["csv", "json", "jsonl", "tsv"]))
def test_any_bytes_are_read_or_refused_with_a_message(content: bytes, ending: str) -> None:
    try:
        found = parse_file(f"a.{ending}", content)
    except InputError:
        return
    for candidate in found:
        candidate.text.encode("utf-8")
