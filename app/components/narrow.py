"""Pictures in a narrow place, such as a phone: long words are folded, panels stand alone."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap

from sapo_analysis.figures import FigureSpec
from sapo_analysis.figures.spec import Panel

LONGEST_NAME = 27
LONGEST_TITLE = 32
"""Characters in a line."""


def narrow(spec: FigureSpec) -> FigureSpec:
    """With the names along the vertical axis, and the titles below, in several lines."""
    return replace(spec, panels=tuple(map(_folded, spec.panels)))


def panels_of(spec: FigureSpec) -> list[FigureSpec]:
    """Each panel as a picture of its own, without a legend; narrow as well."""
    alone = replace(narrow(spec), columns=1, legend=False)
    return [replace(alone, panels=(panel,)) for panel in alone.panels]


def _folded(panel: Panel) -> Panel:
    x_label = "\n".join(_lines(line, LONGEST_TITLE) for line in panel.x_label.split("\n"))
    ticks = panel.y_ticks
    if ticks is None:
        return replace(panel, x_label=x_label)
    labels = tuple(_lines(label, LONGEST_NAME) for label in ticks.labels)
    return replace(panel, x_label=x_label, y_ticks=replace(ticks, labels=labels))


def _lines(text: str, longest: int) -> str:
    return "\n".join(wrap(text, longest))
