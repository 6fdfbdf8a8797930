"""Texts on paper: plain for matplotlib, and in lines that fit their place."""

from __future__ import annotations

from sapo_analysis.figures.fonts import wrapped
from sapo_analysis.figures.venues import Page

TIGHT = 1.0
"""Distance of lines in font sizes, as the fonts' own is wide."""


def text(plain: str) -> str:
    """Plain text for matplotlib: a dollar sign would start mathematics."""
    return plain.replace("$", r"\$")


def plain(drawn: str) -> str:
    """What `text` was made of."""
    return drawn.replace(r"\$", "$")


def fitted(words: str, page: Page, width: float, size: float = 0.0) -> str:
    """The text in lines no wider than that (points), at a font size: 0 for the page's own."""
    return text(wrapped(words, page.font, size or page.size, width))
