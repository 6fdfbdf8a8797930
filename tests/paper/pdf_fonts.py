"""The fonts of a PDF, read back by pypdf."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from pypdf import PdfReader


class PdfFont(NamedTuple):
    name: str  # a subset's begins with six letters and a plus
    kind: str  # Type0 fonts by their descendant's: CIDFontType2 is TrueType
    embedded: str  # FontFile2 is TrueType; "": not embedded


def fonts_of(pdf: bytes) -> list[PdfFont]:
    """Every font of every page, those inside forms included."""
    found: dict[str, PdfFont] = {}
    for page in PdfReader(io.BytesIO(pdf)).pages:
        _collect(page["/Resources"], found)
    return list(found.values())


def _collect(resources: Any, found: dict[str, PdfFont]) -> None:
    for entry in resources.get("/Font", {}).values():
        font = entry.get_object()
        if font["/Subtype"] == "/Type0":
            font = font["/DescendantFonts"][0].get_object()
        descriptor = font.get("/FontDescriptor", {})
        files = [key[1:] for key in descriptor if key.startswith("/FontFile")]
        name = str(font.get("/BaseFont", "unnamed"))[1:]
        found[name] = PdfFont(name, str(font["/Subtype"])[1:], "".join(files))
    for entry in resources.get("/XObject", {}).values():
        form = entry.get_object()
        if "/Resources" in form:
            _collect(form["/Resources"], found)


def images_of(pdf: bytes) -> int:
    """How many pictures the first page shows."""
    objects = PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"].get("/XObject", {})
    return sum(entry.get_object()["/Subtype"] == "/Image" for entry in objects.values())


def size_of(pdf: bytes) -> tuple[float, float]:
    """Width and height of the first page (points)."""
    box = PdfReader(io.BytesIO(pdf)).pages[0].mediabox
    return float(box.width), float(box.height)
