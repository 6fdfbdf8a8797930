"""A table as the page writes it: plain texts, escaped by the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sapo_analysis.analysis.glossary import entry
from sapo_analysis.paper.html.chips import Chip

MISSING = "–"
"""In a cell: there is no such number."""
MOST_ROWS, MOST_LETTERS = 3_000, 800_000
"""Of one table: more make a page that opens slowly."""
_LONG = 40
"""Letters of a cell from which it is broken into lines."""


@dataclass(frozen=True)
class Column:
    """A column's head; `more` is its definition.

    `is_number`: stands right; `is_long`: broken into lines where no other column is.
    """

    label: str
    more: str = ""
    is_number: bool = False
    is_long: bool = False

    @property
    def look(self) -> str:
        """Its class on the page."""
        return "number" if self.is_number else "long" if self.is_long else ""


@dataclass(frozen=True)
class Cell:
    """One cell. `order` sorts it where its text does not; a chip stands before the text."""

    text: str
    order: float | None = None
    is_best: bool = False
    chip: Chip | None = None


@dataclass(frozen=True)
class Table:
    """A table with what has to be said below it.

    Attributes:
        name: unique on the page.
        title: what it shows.
        columns: heads.
        rows: cells, as many per row as there are columns.
        notes: sentences below.
        is_searched: a reader may search its rows.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    is_searched: bool = False


def column(name: str, is_number: bool = False) -> Column:
    """The head of a column that is a term of the glossary."""
    term = entry(name)
    return Column(term.label, term.help, is_number)


def bounded(rows: Iterable[Sequence[Cell]]) -> tuple[list[tuple[Cell, ...]], int]:
    """The first rows, as many as a page can bear, and how many there are."""
    shown: list[tuple[Cell, ...]] = []
    n = letters = 0
    for row in rows:
        n += 1
        letters += sum(len(cell.text) for cell in row)
        if len(shown) < MOST_ROWS and letters < MOST_LETTERS:
            shown.append(tuple(row))
    return shown, n


def number(value: float, digits: int) -> Cell:
    """A number that sorts by its value; a dash where there is none."""
    if math.isnan(value):
        return Cell(MISSING)
    return Cell(f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}"), value)


def table(
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *notes: str,
    is_searched: bool = False,
) -> Table:
    """A table from any sequences; empty notes are left out, and what is said to be too much."""
    shown, n = bounded(rows)
    cut = "" if len(shown) == n else f"The first {len(shown):,} of {n:,} rows."
    said = tuple(filter(None, (cut, *notes)))
    heads = [
        replace(column, is_long=any(len(row[i].text) > _LONG for row in shown))
        for i, column in enumerate(columns)
    ]
    return Table(name, title, tuple(heads), tuple(shown), said, is_searched)
