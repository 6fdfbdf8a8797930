"""Every figure of the shipped runs on every page: what is wrong with any of them.

`python -m tests.paper.every_page` draws all of them, which takes minutes; words after it choose
figures whose names have one of them. Tests draw a part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from matplotlib.text import Text

from sapo_analysis.figures.fonts import FAMILIES
from sapo_analysis.figures.render_matplotlib import Drawn
from sapo_analysis.figures.venues import VENUES, WIDTHS, Page, page
from sapo_analysis.paper.figures import Made, every_figure
from sapo_analysis.paper.numbers import numbers_of
from sapo_analysis.store import open_run
from tests.paper.pdf_fonts import fonts_of, size_of

RUNS = Path(__file__).resolve().parents[2] / "cached_runs"
SHOWN = ("pocket-1-main-*", "pocket-1-order-*")
LEAST_SIZE = 6.0  # points

PAGES: dict[Page, str] = {}
"""Every page that differs from the others, and what it is called: NeurIPS and ICLR share one."""
for _venue in VENUES:
    for _width in WIDTHS:
        for _font in FAMILIES:
            PAGES.setdefault(page(_venue, _width, _font), f"{_venue} {_width} {_font}")


def shipped() -> Iterator[Made]:
    """All figures of the shipped study and of the shipped family of sequences."""
    for pattern in SHOWN:
        yield from every_figure(numbers_of([open_run(p) for p in sorted(RUNS.glob(pattern))]))


def wrong(drawn: Drawn) -> list[str]:
    """What is wrong with a drawn figure, without a file."""
    found = list(drawn.problems)
    for text in drawn.figure.findobj(Text):
        if text.get_visible() and text.get_text() and text.get_fontsize() < LEAST_SIZE:
            found.append(f"{text.get_text()!r} is set in {text.get_fontsize():g} pt")
    return found


def wrong_in_file(drawn: Drawn) -> list[str]:
    """What is wrong with its PDF."""
    pdf = drawn.bytes("pdf")
    found = []
    width = size_of(pdf)[0]
    if abs(width - drawn.page.points) > 0.5:
        found.append(f"it is {width:g} points wide instead of {drawn.page.points:g}")
    family = FAMILIES[drawn.page.font].replace(" ", "")
    fonts = fonts_of(pdf)
    if not fonts:
        found.append("it has no fonts")
    for font in fonts:
        if font.kind not in ("TrueType", "CIDFontType2") or font.embedded != "FontFile2":
            found.append(f"{font.name} is {font.kind}, embedded as {font.embedded or 'nothing'}")
        if family not in font.name:
            found.append(f"{font.name} is not {family}")
    return found


def main(words: list[str]) -> int:
    """Print what is wrong, and return how many drawings have something wrong."""
    drawn = bad = 0
    for made in shipped():
        if made.spec is None:
            print(f"{made.name}: {made.why_not}")
            continue
        if words and not any(word in made.name for word in words):
            continue
        for on, title in PAGES.items():
            figure = made.spec.drawn(on)
            found = wrong(figure) + wrong_in_file(figure)
            drawn, bad = drawn + 1, bad + bool(found)
            for said in found[:5]:
                print(f"{made.name}, {title}: {said}", flush=True)
    print(f"{drawn} drawings, {bad} with something wrong")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
