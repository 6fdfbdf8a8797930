"""One kind of figure: what it shows, what can be asked of it, and how it is made."""

from __future__ import annotations

from sapo_analysis.figures import FigureSpec
from sapo_analysis.paper.kinds import Kind, once

FigureKind = Kind[FigureSpec]
"""A figure that runs of one kind of study can have."""

__all__ = ["FigureKind", "once"]
