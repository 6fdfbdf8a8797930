"""The paper of a figure: widths, font and font sizes of four venues, and a width of one's own.

Widths are those of the style files: ICML 6.75 in of text in two columns 0.25 in apart; NeurIPS and
ICLR 5.5 in in one column; ACL 16 cm in two columns 0.6 cm apart. All four set their text in Times.
Labels are a point smaller than the venue's captions (ICML 9 pt, the others 10 pt), names of ticks
and entries of legends a point smaller still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures.fonts import FAMILIES

POINTS_PER_INCH = 72.0
NARROWEST, WIDEST = 2.0, 20.0
"""Widths that are drawn (inches): below, text takes all the room; above is no paper."""
WIDTHS = ("column", "full")


@dataclass(frozen=True)
class Venue:
    """What a venue's style file says of a figure. Widths in inches, sizes in points."""

    name: str
    title: str
    column: float
    full: float
    size: float  # of labels
    font: str = "serif"


VENUES = {
    venue.name: venue
    for venue in (
        Venue("icml", "ICML", 3.25, 6.75, 8.0),
        Venue("neurips", "NeurIPS", 5.5, 5.5, 9.0),
        Venue("iclr", "ICLR", 5.5, 5.5, 9.0),
        Venue("acl", "ACL", 7.7 / 2.54, 16.0 / 2.54, 9.0),
    )
}


@dataclass(frozen=True)
class Page:
    """What a figure is drawn on: its width (inches), its font and the size of labels (points)."""

    width: float
    font: str
    size: float

    @property
    def small(self) -> float:
        """Size of tick names, legend entries and statistics (points)."""
        return self.size - 1.0

    @property
    def tiny(self) -> float:
        """Size of numbers in cells and names beside points (points)."""
        return self.size - 1.5

    @property
    def points(self) -> float:
        """The width in points."""
        return self.width * POINTS_PER_INCH


def page(venue: str, width: str | float = "column", font: str = "") -> Page:
    """The page of a venue.

    Args:
        venue: a name of `VENUES`.
        width: `column`, `full`, or inches.
        font: `serif` or `sans`; "": the venue's own.

    Raises:
        InputError: an unknown venue, font or name of a width, or a width that is not drawn.
    """
    if venue not in VENUES:
        raise unknown("venue", venue, list(VENUES))
    chosen = VENUES[venue]
    if font and font not in FAMILIES:
        raise unknown("font", font, list(FAMILIES))
    if isinstance(width, str):
        if width not in WIDTHS:
            raise unknown("width", width, [*WIDTHS, "a number of inches"])
        width = chosen.column if width == "column" else chosen.full
    if not (math.isfinite(width) and NARROWEST <= width <= WIDEST):
        raise InputError(
            f"A figure is {NARROWEST:g} to {WIDEST:g} inches wide, not {width:g}. The columns of"
            f" {chosen.title} are {chosen.column:.3g} inches."
        )
    return Page(width, font or chosen.font, chosen.size)
