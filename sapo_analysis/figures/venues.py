"""The paper of a figure: widths, font and font sizes of four venues, and a width of one's own.

Widths are those of the style files: ICML 6.75 in of text in two columns 0.25 in apart; NeurIPS and
ICLR 5.5 in in one column; ACL 16 cm in two columns 0.6 cm apart. All four set their text in Times.
Labels are a point smaller than the venue's captions (ICML 9 pt, the others 10 pt), names of ticks
and entries of legends a point smaller still.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.figures.fonts import FAMILIES

POINTS_PER_INCH = 72.0
NARROWEST, WIDEST = 2.0, 20.0
"""Widths that are drawn (inches): below, text takes all the room; above is no paper."""
WIDTHS = ("column", "full")
UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Units of a width (inches); a point as TeX has it, for `\\the\\columnwidth` prints such."""


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


def venue_of(name: str) -> Venue:
    """A venue by its name, in capitals or not.

    Raises:
        InputError: there is none.
    """
    if name.casefold() not in VENUES:
        raise unknown("venue", name, list(VENUES))
    return VENUES[name.casefold()]


def as_width(width: str | float) -> str | float:
    """A name of `WIDTHS` as it is, a length such as `8.4cm` in inches, a number as it is.

    Raises:
        InputError: another name, or a length without a unit.
    """
    if not isinstance(width, str):
        return width
    text = width.strip().casefold()
    if text in WIDTHS:
        return text
    units = ", ".join(UNITS)
    if text.isalpha():
        raise unknown("width", width, [*WIDTHS, f"a length in {units}, as 3.3in"])
    match = re.fullmatch(rf"([0-9]*\.?[0-9]+)\s*({'|'.join(UNITS)})", text)
    if match is None:
        raise InputError(
            f"Width {width!r} is neither column nor full nor a length with its unit ({units})."
            " Write it as 3.3in, 8.4cm, 84mm or 240pt."
        )
    return float(match[1]) * UNITS[match[2]]


def page(venue: str, width: str | float = "column", font: str = "") -> Page:
    """The page of a venue.

    Args:
        venue: a name of `VENUES`.
        width: `column`, `full`, a length with its unit (`3.3in`, `8.4cm`, `84mm`, `240pt`), or
            inches as a number.
        font: `serif` or `sans`; "": the venue's own.

    Raises:
        InputError: an unknown venue, font or name of a width, or a width that is not drawn.
    """
    chosen = venue_of(venue)
    if font and font.casefold() not in FAMILIES:
        raise unknown("font", font, list(FAMILIES))
    width = as_width(width)
    if isinstance(width, str):
        width = chosen.column if width == "column" else chosen.full
    if not (math.isfinite(width) and NARROWEST <= width <= WIDEST):
        raise InputError(
            f"A figure is {NARROWEST:g} to {WIDEST:g} inches wide, not {width:g}. The columns of"
            f" {chosen.title} are {chosen.column:.3g} inches."
        )
    return Page(width, font.casefold() or chosen.font, chosen.size)
