"""The figure at its true size, on the venue's page: its column, its caption, lines of text beside.

CSS counts 96 pixels to the inch, whatever the screen: an inch on paper is an inch of the page when
the browser stands at 100 %.
"""

from __future__ import annotations

import base64
import html

import streamlit as st

from sapo_analysis.figures.venues import Venue

CSS_PIXELS_PER_INCH = 96
_MARGIN = 14
_PITCH = 14.67
"""From line to line of the venues' text: 11 points."""
_PAPER = (
    "background:#fff;color:#1a1d21;box-sizing:content-box;border:1px solid rgba(128,134,145,.35);"
    f"padding:{_MARGIN}px;"
)
_LINES = (
    "background:repeating-linear-gradient(#e4e7eb 0 6px,transparent 6px {pitch}px);"
    "min-height:{height}px;"
).replace("{pitch}", f"{_PITCH}")
_SERIF = "font-family:'STIX Two Text','STIXGeneral','Times New Roman',Times,serif;"


def preview(png: bytes, width: float, alt: str, venue: Venue, caption: str) -> None:
    """Show a picture of a figure on its page.

    Args:
        png: the picture.
        width: of the figure, in inches.
        alt: what it shows, for those who do not see it.
        venue: whose page it stands on.
        caption: stands below it, as plain text.
    """
    data = base64.b64encode(png).decode()
    image = (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt, quote=True)}"'
        f' style="width:{_pixels(width)};max-width:none;height:auto;display:block">'
    )
    size = 9 if venue.name == "icml" else 10
    below = (
        f'<div style="{_SERIF}font-size:{size}pt;line-height:1.15;margin:6px 0 {_PITCH}px;'
        f'overflow-wrap:anywhere"><i>Figure 1.</i> {html.escape(caption)}</div>'
    )
    # Decoration moves with the figure: a narrow screen scrolls, as shrinking would be untrue.
    st.html(
        '<div style="overflow-x:auto" data-testid="paper">'
        f"{_page(image, below, width, venue)}</div>"
    )


def _page(image: str, below: str, width: float, venue: Venue) -> str:
    """The page's text block; of a figure that is wider than it, the figure alone."""
    fits = width <= venue.full + 0.005
    paper = f"{_PAPER}width:{_pixels(venue.full if fits else width)}"
    figure = f'<figure style="margin:0">{image}{below}</figure>'
    if not fits:
        return f'<div style="{paper}">{figure}</div>'
    columns = f"{_pixels(venue.column)} " * (2 if venue.column < venue.full else 1)
    gap = venue.full - 2 * venue.column if venue.column < venue.full else 0.0
    grid = (
        f"display:grid;grid-template-columns:{columns};column-gap:{_pixels(gap)};"
        "align-items:stretch"
    )
    one, few = _lines(6), _lines(3)
    if width > venue.column + 0.005:
        return f'<div style="{paper}">{figure}<div style="{grid}">{one}{one}</div></div>'
    beside = one if venue.column < venue.full else ""
    return f'<div style="{paper}"><div style="{grid}"><div>{figure}{few}</div>{beside}</div></div>'


def _lines(n: int) -> str:
    return f'<div aria-hidden="true" style="{_LINES.format(height=round(n * _PITCH))}"></div>'


def _pixels(inches: float) -> str:
    return f"{inches * CSS_PIXELS_PER_INCH:.2f}px"
