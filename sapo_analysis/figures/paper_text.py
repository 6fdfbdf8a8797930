"""Texts on paper: plain for matplotlib, and in lines that fit their place."""

from __future__ import annotations

from typing import Any

from sapo_analysis.figures.fonts import wrapped
from sapo_analysis.figures.venues import Page

LEADING = 1.1
"""Distance of lines in font sizes."""


def lines(page: Page) -> dict[str, Any]:
    """How far lines of a text are apart, for matplotlib.

    The sans face says 1.09 font sizes of itself; the serif one 1.51, as tall formulas want it.
    """
    return {"linespacing": LEADING} if page.font == "serif" else {}


def text(plain: str) -> str:
    """Plain text for matplotlib: a dollar sign would start mathematics."""
    return plain.replace("$", r"\$")


def plain(drawn: str) -> str:
    """What `text` was made of."""
    return drawn.replace(r"\$", "$")


def fitted(words: str, page: Page, width: float, size: float = 0.0) -> str:
    """The text in lines no wider than that (points), at a font size: 0 for the page's own."""
    return text(wrapped(words, page.font, size or page.size, width))
