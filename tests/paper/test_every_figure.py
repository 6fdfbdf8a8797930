"""Every kind of figure of the shipped runs on the pages of all venues.

All figures on all pages take minutes: `python -m tests.paper.every_page`. Here each kind of figure
is drawn once on the columns of every venue, and one figure of each kind is written.
"""

from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Note, Panel, Points
from sapo_analysis.figures.theme import BLUE, GREY
from sapo_analysis.figures.venues import page
from sapo_analysis.paper.figures import FIGURES, every_figure
from sapo_analysis.paper.kinds import ANY
from tests.paper.every_page import PAGES, wrong, wrong_in_file

pytestmark = pytest.mark.slow

NARROW = (
    page("icml"),
    page("acl", font="sans"),
    page("iclr"),
)


@pytest.fixture(scope="module")
def figures(main_numbers, order_numbers):
    """The first figure of each kind: those of other outcomes and methods are laid out alike."""
    found = {}
    for numbers in (main_numbers, order_numbers):
        for made in every_figure(numbers):
            assert made.spec is not None, f"{made.name}: {made.why_not}"
            found.setdefault(made.kind.name, made)
    return found


@pytest.fixture(scope="module")
def drawn(figures):
    """A figure on a page, drawn once: `bytes` add files, and change nothing."""
    return cache(lambda name, on: figures[name].spec.drawn(on))


def test_pages_are_those_of_all_venues_widths_and_fonts():
    assert len(PAGES) == 10  # NeurIPS and ICLR have one width, the same, for columns and in full
    assert {on.points for on in PAGES} >= {234.0, 486.0, 396.0}
    assert {on.font for on in PAGES} == {"serif", "sans"}


def test_shipped_runs_have_all_kinds_of_figures(figures):
    # Those of several runs, and those that need several methods or looks along the fine-tunes.
    others = {name for name, kind in FIGURES.items() if kind.study in ("several", ANY)}
    assert set(figures) == set(FIGURES) - others


@pytest.mark.parametrize("on", NARROW, ids=lambda on: PAGES[on])
def test_everything_can_be_read(figures, drawn, on):
    found = {name: said for name in figures if (said := wrong(drawn(name, on)))}
    assert found == {}


@pytest.mark.parametrize(("venue", "font"), [("icml", "serif"), ("acl", "sans")])
def test_files_have_the_pages_width_and_its_font_as_truetype(figures, drawn, venue, font):
    """Half of the figures in each font, on the page that each is made for."""
    half = list(figures)[font == "sans" :: 2]
    pages = {name: figures[name].spec.page(venue, font=font) for name in half}
    found = {name: said for name, on in pages.items() if (said := wrong_in_file(drawn(name, on)))}
    assert half and found == {}


def figure_of(panel):
    return FigureSpec("f", (panel,), pd.DataFrame(), Caption("x"), "alt")


def test_what_is_wrong_is_found():
    dots = Points((0.0, 1.0), (0.0, 1.0), BLUE, label="one")
    notes = (Note(0.5, 0.5, "first"), Note(0.5, 0.5, "second"))
    twins = replace(dots, color=GREY, label="other")
    tall = Panel((dots, twins, *notes), "x", "y")
    drawn = replace(figure_of(tall), aspect=8.0).drawn()
    assert wrong(drawn) == [
        "“first” and “second” cover each other",
        f"points circle in {BLUE} and {GREY} look alike in grey",
        f"it is {drawn.size[1]:.1f} inches high, more than a page holds",
    ]
    drawn.figure.axes[0].xaxis.label.set_fontsize(5.9)
    assert "'x' is set in 5.9 pt" in wrong(drawn)
    assert wrong_in_file(drawn) == []
    drawn.figure.set_size_inches(drawn.size[0] + 0.01, drawn.size[1])
    assert wrong_in_file(drawn) == ["it is 234.72 points wide instead of 234"]
