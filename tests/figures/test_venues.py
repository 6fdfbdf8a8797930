"""Widths are those of the style files; whatever else is asked for is refused."""

import math

import pandas as pd
import pytest

from sapo_analysis.errors import InputError
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.spec import FigureSpec, Panel, Points
from sapo_analysis.figures.venues import VENUES, page

INCH, CM = 72.0, 72.0 / 2.54  # points

# (text width - distance of columns) / columns, from the venues' style files.
WIDTHS = {
    ("icml", "column"): (6.75 * INCH - 0.25 * INCH) / 2,
    ("icml", "full"): 6.75 * INCH,
    ("neurips", "column"): 5.5 * INCH,
    ("neurips", "full"): 5.5 * INCH,
    ("iclr", "column"): 5.5 * INCH,
    ("iclr", "full"): 5.5 * INCH,
    ("acl", "column"): (16.0 * CM - 0.6 * CM) / 2,
    ("acl", "full"): 16.0 * CM,
}


@pytest.mark.parametrize(("venue", "width"), WIDTHS)
def test_widths_are_those_of_the_style_files(venue, width):
    assert page(venue, width).points == pytest.approx(WIDTHS[venue, width], abs=0.01)


def test_by_hand_in_points():
    assert page("icml").points == 234.0 and page("icml", "full").points == 486.0
    assert page("neurips").points == page("iclr").points == 396.0
    assert page("acl").points == pytest.approx(218.27, abs=0.01)
    assert page("acl", "full").points == pytest.approx(453.54, abs=0.01)


@pytest.mark.parametrize("venue", VENUES)
def test_sizes_stay_under_the_caption_and_are_legible(venue):
    caption = 9.0 if venue == "icml" else 10.0
    own = page(venue)
    assert own.size == caption - 1
    assert own.size > own.small > own.tiny >= 6.0


def test_every_venue_is_set_in_times_unless_sans_is_asked_for():
    assert {page(venue).font for venue in VENUES} == {"serif"}
    assert page("acl", font="sans").font == "sans"
    assert page("acl", font="sans").width == page("acl").width


@pytest.mark.parametrize("inches", [2.0, 3.5, 20.0])
def test_an_own_width_is_taken_as_it_is(inches):
    assert page("icml", inches).width == inches


@pytest.mark.parametrize(
    ("text", "inches"),
    [
        *(("3.3in", 3.3), ("8.4cm", 3.30709), ("84 mm", 3.30709), ("240pt", 3.32088)),
        *((" 3.3IN ", 3.3), ("12in", 12.0), ("7.50in", 7.5)),
    ],
)
def test_a_length_has_its_unit(text, inches):
    assert page("icml", text).width == pytest.approx(inches, abs=1e-5)


def test_tex_points_are_those_that_latex_prints():
    assert page("icml", "234.8775pt").width == pytest.approx(3.25, abs=1e-6)  # ICML's column


@pytest.mark.parametrize("text", ["3.3", "3,3in", "-3in", "3.3 inches", "1e3pt", ""])
def test_a_length_without_a_unit_is_refused_with_the_units(text):
    with pytest.raises(InputError, match=r"its unit \(in, cm, mm, pt\)\. Write it as 3\.3in"):
        page("icml", text)


@pytest.mark.parametrize("text", ["0in", "0cm", ".5in"])
def test_a_length_that_is_no_paper_is_refused(text):
    with pytest.raises(InputError, match=r"2 to 20 inches"):
        page("icml", text)


def test_names_may_be_in_capitals():
    assert page("ICML", "Full", "Sans") == page("icml", "full", "sans")


def figure_of(wide):
    panel = Panel((Points((0.0, 1.0), (0.0, 1.0), "#000000"),), "x", "y")
    caption = Caption("Two points.", {"points": 2})
    return FigureSpec("two", (panel,), pd.DataFrame({"x": [0, 1]}), caption, "Two.", wide=wide)


def test_a_figure_takes_the_same_widths_and_no_width_is_its_own():
    narrow, wide = figure_of(False), figure_of(True)
    assert (narrow.page().width, wide.page().width) == (3.25, 6.75)
    assert wide.page(width="8.4cm").width == pytest.approx(8.4 / 2.54)
    assert wide.to_matplotlib(width="3.3in").get_figwidth() == pytest.approx(3.3)
    for width in (0, 0.0, "0in"):
        with pytest.raises(InputError, match="2 to 20 inches wide, not 0"):
            wide.page(width=width)
        with pytest.raises(InputError, match="2 to 20 inches wide, not 0"):
            narrow.to_matplotlib(width=width)


@pytest.mark.parametrize("inches", [1.99, 20.01, 0.0, -3.0, math.nan, math.inf])
def test_a_width_that_is_no_paper_is_refused_with_the_venues_own(inches):
    with pytest.raises(InputError, match=r"2 to 20 inches.*ICML are 3.25 inches"):
        page("icml", inches)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"venue": "nips"}, "icml, neurips"),
        ({"venue": "icml", "font": "comic"}, "serif"),
        ({"venue": "icml", "width": "half"}, "a length in in, cm, mm, pt, as 3.3in, column, full"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(asked, named):
    with pytest.raises(InputError) as refused:
        page(**asked)
    for name in named.split(", "):
        assert name in str(refused.value)
