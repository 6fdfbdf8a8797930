"""What a file says of itself can be read back from it, and nothing else depends on the clock."""

import io
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from PIL import Image
from pypdf import PdfReader

from sapo_analysis.figures.stamp import Stamp

STAMP = Stamp(
    title="Forgetting & loss <r = −0.6>",
    source="pocket-1, 11 tasks",
    facts='{"runs": ["pocket-1"], "note": "a & b < c"}',
    date=datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=2))),
)


def test_a_pdf_has_it_in_its_information(spec):
    said = PdfReader(io.BytesIO(spec.to_bytes("pdf", stamp=STAMP))).metadata
    assert said.title == STAMP.title
    assert said.subject == STAMP.source
    assert said["/Keywords"] == STAMP.facts
    assert said.creator == "sapo_analysis"
    assert said.creation_date == STAMP.date


def test_a_png_has_it_in_its_texts(spec):
    with Image.open(io.BytesIO(spec.to_bytes("png", stamp=STAMP))) as image:
        said = image.text
    assert said["Title"] == STAMP.title
    assert said["Description"] == STAMP.source
    assert said["Comment"] == STAMP.facts
    assert said["Software"] == "sapo_analysis"
    assert said["Creation Time"] == "2025-03-04T03:06:07+00:00"


def test_an_svg_has_it_in_its_metadata(spec):
    said = spec.to_bytes("svg", stamp=STAMP).decode()
    assert "<title>Forgetting &amp; loss &lt;r = −0.6&gt;</title>" in said
    assert "pocket-1, 11 tasks\n" in said
    assert "a &amp; b &lt; c" in said
    assert "<dc:date>2025-03-04T03:06:07+00:00</dc:date>" in said


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_without_a_date_no_file_has_one(spec, kind):
    undated = Stamp(STAMP.title, STAMP.source, STAMP.facts, None)
    for stamp in (None, undated):
        data = spec.to_bytes(kind, stamp=stamp)
        today = datetime.now(UTC)
        for clue in (b"CreationDate", b"dc:date", b"Creation Time", f"{today:%Y-%m-%d}".encode()):
            assert clue not in data


def test_without_a_stamp_a_file_has_the_figures_name(spec):
    assert PdfReader(io.BytesIO(spec.to_bytes("pdf"))).metadata.title == "two_panels"
    assert "<title>two_panels</title>" in spec.to_bytes("svg").decode()


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_stamp_gives_the_same_bytes_in_any_zone(spec, kind):
    elsewhere = Stamp(STAMP.title, STAMP.source, STAMP.facts, STAMP.date.astimezone(UTC))
    data = spec.to_bytes(kind, stamp=STAMP)
    assert data == spec.to_bytes(kind, stamp=elsewhere)
    other = Stamp(STAMP.title, "pocket-2", STAMP.facts, STAMP.date)
    assert data != spec.to_bytes(kind, stamp=other)


def test_no_file_names_a_machine(spec):
    for kind in ("pdf", "svg"):
        data = spec.to_bytes(kind, stamp=STAMP).decode("latin-1")
        assert not re.search(r"/(home|work|usr|tmp|root)/", data)
