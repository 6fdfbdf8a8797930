"""Widths are those of the style files; whatever else is asked for is refused."""

import math

import pytest

from sapo_analysis.errors import InputError
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


@pytest.mark.parametrize("inches", [1.99, 20.01, 0.0, -3.0, math.nan, math.inf])
def test_a_width_that_is_no_paper_is_refused_with_the_venues_own(inches):
    with pytest.raises(InputError, match=r"2 to 20 inches.*ICML are 3.25 inches"):
        page("icml", inches)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"venue": "nips"}, "icml, neurips"),
        ({"venue": "icml", "font": "comic"}, "serif"),
        ({"venue": "icml", "width": "half"}, "a number of inches, column, full"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(asked, named):
    with pytest.raises(InputError) as refused:
        page(**asked)
    for name in named.split(", "):
        assert name in str(refused.value)
