"""A table before it is set: raw numbers, what each column is, and the rules of its marks.

One `TableSpec` becomes LaTeX, Markdown and CSV. The first two print the same cells; the CSV holds
the numbers whole, with every interval and p behind a mark. Nothing here computes a statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from sapo_analysis.analysis.glossary import Better
from sapo_analysis.figures.caption import Caption
from sapo_analysis.figures.csv_text import csv_text

if TYPE_CHECKING:
    from sapo_analysis.paper.numbers import Numbers

Kind = Literal["text", "integer", "number", "p", "estimate", "interval"]
Interval = Literal["brackets", "plus-minus"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: column of the rows with the text or number. An estimate's ends are in `KEY_lower` and
            `KEY_upper`; an interval has its ends there alone.
        head: what stands above it.
        group: what stands above it and its neighbours of the same group; "": nothing.
        kind: `p` has three decimals and `<0.001`; `estimate` is a number with its interval.
        decimals: of every number in it.
        signed: whether positive numbers have a plus, as differences and correlations do.
        better: which way is good; the best is bold. "": neither, nothing is bold.
        better_in: column of the rows that says so instead, for tables whose blocks differ in it.
        unit: unit of its numbers, named below the table.
        interval: `brackets`: lower and upper end; `plus-minus`: half of what lies between them,
            for intervals that lie evenly about their estimate.
        mark: a sign after what is marked, such as a star.
        marked: column of the rows that says which cells have the mark.
        width: share of the line (0 to 1) for texts that are broken into lines; 0: one line.
    """

    key: str
    head: str
    group: str = ""
    kind: Kind = "text"
    decimals: int = 2
    signed: bool = False
    better: Better = ""
    better_in: str = ""
    unit: str = ""
    interval: Interval = "brackets"
    mark: Literal["", "*", "†"] = ""
    marked: str = ""
    width: float = 0.0


@dataclass(frozen=True)
class TableSpec:
    """A table, ready to be set.

    Attributes:
        name: its label is `tab:NAME`.
        columns: what is printed, from left to right.
        rows: one per printed row: raw numbers, also those that only the CSV shows.
        caption: facts for its caption.
        notes: sentences below it: what bold, star and ± mean, and what has to be known of the runs.
        blocks: column of the rows that parts them into blocks, each with its value as a heading;
            the best is bold in each block of its own. "": one block.
        outside: column of the rows that says which are beside the point and never bold, as a
            base model or what only hindsight can do; "": none.
        wide: meant for the full width of a page, not for one of its columns.
        long: runs over several pages, in a one-column part of the document.
    """

    name: str
    columns: tuple[Column, ...]
    rows: pd.DataFrame
    caption: Caption
    notes: tuple[str, ...] = ()
    blocks: str = ""
    outside: str = ""
    wide: bool = False
    long: bool = False

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, units first."""
        units = self.units
        return (units, *self.notes) if units else self.notes

    @property
    def units(self) -> str:
        """Which columns have which unit, as a sentence; "" where none has one."""
        heads: dict[str, list[str]] = {}
        for column in self.columns:
            if column.unit:
                heads.setdefault(column.unit, []).append(column.group or column.head)
        said = [f"{', '.join(dict.fromkeys(names))}: {unit}" for unit, names in heads.items()]
        return f"{'; '.join(said)}." if said else ""

    def to_latex(
        self,
        wide: bool | None = None,
        cites: tuple[str, ...] = (),
        numbers: Numbers | None = None,
    ) -> str:
        r"""A `table` with booktabs' rules, caption, label and notes; `longtable` where it is long.

        A comment on top names the packages that it needs.

        Args:
            wide: over both columns of a page (`table*`); None: as the table is meant.
            cites: keys that its caption cites.
            numbers: with them the caption names model and method.
        """
        from sapo_analysis.paper.tables.in_latex import in_latex

        return in_latex(self, self.wide if wide is None else wide, cites, numbers)

    def to_markdown(self) -> str:
        """The table and its notes, without the caption."""
        from sapo_analysis.paper.tables.in_markdown import in_markdown

        return in_markdown(self)

    def to_csv(self) -> str:
        """One line per row, a column per number, nothing rounded; no cell is a formula."""
        return csv_text(self.rows)
